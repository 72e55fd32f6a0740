"""`python -m devtools.published_measurements` writes docs/measurements.md anew."""

from __future__ import annotations

from .page import PAGE, page


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
