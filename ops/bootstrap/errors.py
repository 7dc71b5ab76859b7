"""What goes wrong while the machine is prepared."""


class StepError(Exception):
    """A step cannot be done; the message says what is wrong, where, and what to do."""
