"""`python -m devtools.published_checks` writes core/advisor/published/checks.json anew."""

from __future__ import annotations

from .table import FILE, as_text, computed_checks, rows


def main() -> None:
    before = rows(FILE.read_text(encoding="utf-8")) if FILE.is_file() else []
    made = as_text(computed_checks())
    with FILE.open("w", encoding="utf-8", newline="\n") as file:
        file.write(made)
    changed = [row for row in rows(made) if row not in before]
    print(f"{FILE}: {len(rows(made))} checks, {len(changed)} of them new or changed")
    print("\n".join(changed))


if __name__ == "__main__":
    main()
