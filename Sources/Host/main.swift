import Glibc

ProcessSignals.prepare()
Terminal.reserveDescriptors()
// `_exit`, not `exit`: the event loops' threads still run, and the libraries' handlers at exit would destroy what they use.
// All output has been written with write(2), so nothing is left in a buffer.
_exit(Command.run(Array(System.arguments.dropFirst())))
