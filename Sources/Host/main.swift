import Glibc

Terminal.reserveDescriptors()
let status = Command.run(Array(CommandLine.arguments.dropFirst()))
// Not `exit`: the loops' threads still run, and the libraries' clean-up at exit must not pull the ground from under them.
// Everything printed went out through write(2).
_exit(status)
