"""The one error that a user is meant to read, and the sign of another that can be told."""


class UserError(ValueError):
    """What the user gave cannot be used.

    The message is a single line that names what is wrong and what would be right. The command line prints
    it and exits with status 2; every other exception is a bug and keeps its traceback.
    """


def lacks_memory(error: BaseException) -> bool:
    """Say whether an error is a device's lack of memory: PyTorch's for CPUs and MPS have no type of their own."""
    return any(sign in str(error) for sign in ("can't allocate memory", "out of memory"))
