"""The one error that a user is meant to read."""


class UserError(ValueError):
    """What the user gave cannot be used.

    The message is a single line that names what is wrong and what would be right. The command line prints
    it and exits with status 2; every other exception is a bug and keeps its traceback.
    """
