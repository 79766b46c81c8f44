"""The measurements the README quotes. Nothing here is asserted on: a busy machine is no broken program."""
