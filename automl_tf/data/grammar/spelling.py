"""From words to a line of text: spaces, commas, capitals and the final mark."""

COMMA = ","


def enclosed(words: list[str]) -> list[str]:
    """The words between commas."""
    return [COMMA, *words, COMMA] if words else []


def compose(words: list[str], mark: str) -> str:
    """A sentence with its first letter capital and its mark behind it.

    Args:
        words: Words and commas; commas may be doubled, or stand at the end.
        mark: Full stop, question mark or exclamation mark.
    """
    text = ""
    for word in words:
        if word != COMMA:
            text += f" {word}" if text else word
        elif not text.endswith(COMMA):
            text += COMMA
    text = text.rstrip(COMMA)
    return text[0].upper() + text[1:] + mark
