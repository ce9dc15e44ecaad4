"""The `tapthread` command."""


def main() -> None:
    """Run."""
