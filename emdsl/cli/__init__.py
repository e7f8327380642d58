"""The command line. Loads no stage of the compiler until a command asks for it."""
