print("pointgate")
