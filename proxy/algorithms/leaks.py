"""Does a text show the insides of a program: a stack trace, or what a database said?

By what the traces of common languages have in every line, in HTML and in strings of JSON, too,
where line breaks are escaped. Every repetition is bounded, so that the time goes by the length.
"""

from __future__ import annotations

import re

_BEFORE = rb"at (?:async |new )?"
"""Of a frame, where languages spell it so; in JSON, an escaped tab before it hides where the word begins."""
_LINE = rb"(?:</b>)? ?(?:on line |:)(?:<b>)?\d"

_SIGNS: tuple[tuple[str, bytes], ...] = (
    ("Python", rb"Traceback \(most recent call last\)"),
    ("Python", rb"File (?:\"|\\\"|&quot;|&#34;)[^\n\"&]{1,300}\.py(?:\"|\\\"|&quot;|&#34;), line \d"),
    ("Python", rb"DEBUG = True</code> in your Django|The debugger caught an exception in your WSGI"),
    ("Java", _BEFORE + rb"[\w$.<>/@-]{3,300}\((?:Native Method|Unknown Source)\)"),
    ("Java", _BEFORE + rb"[\w$.<>/@-]{3,300}\([\w$-]{1,100}\.(?:java|kt|scala|groovy|clj):\d"),
    (".NET", _BEFORE + rb"[^\s()]{3,300}\([^()\n]{0,300}\) in [^\n]{1,300}?:line \d"),
    (".NET", _BEFORE + rb"(?:System|Microsoft)\.[^\s()]{3,300}\([^()\n]{0,300}\)"),
    (".NET", rb"Server Error in [^\n<]{0,8}/[^\n<]{0,100} Application"),
    ("Node", _BEFORE + rb"(?:[^\n():]{1,100} )?\(?(?:file:|node:|/|[A-Z]:\\)[^\s():]{1,300}:\d{1,7}:\d"),
    (
        "PHP",
        rb"(?:error|warning|notice|deprecated)(?:</b>)?: {1,2}[^\n]{1,300}? in [^\s]{1,300}\.php" + _LINE,
    ),
    ("PHP", rb"Uncaught [\w\\]{1,100}: [^\n]{1,300}? in [^\s]{1,300}\.php" + _LINE),
    ("PHP", rb"#\d{1,3} (?:[A-Z]:)?[\\/][^\s(]{1,300}\.php\(\d"),
    ("Ruby", rb"\.rb:\d{1,6}:in [`'&\\]"),
    ("Go", rb"goroutine \d{1,10} \[[\w ,]{1,60}\]:|\.go:\d{1,6} \+0x[0-9a-f]"),
    ("Rust", rb"thread '[^'\n]{1,100}' (?:\(\d{1,10}\) )?panicked at "),
    ("SQL", rb"SQLSTATE\[|You have an error in your SQL syntax|\bORA-\d{5}:"),
    ("SQL", rb"syntax error at or near \\?[\"&]|Unclosed quotation mark after the character string"),
    ("SQL", rb"\b(?:psycopg2?|sqlite3|asyncpg|pymysql)\.[\w.]{0,80}E(?:rror|xception)"),
    ("SQL", rb"\b(?:PG|Mysql2|SQLite3)::\w{1,60}|PSQLException|SQLSyntaxErrorException|SQLITE_ERROR"),
)

_COMPILED = tuple((name, re.compile(sign, re.IGNORECASE if name == "PHP" else 0)) for name, sign in _SIGNS)


def leak_in(text: bytes) -> str | None:
    """Of which language or database the insides are; None where there are none."""
    return next((name for name, sign in _COMPILED if sign.search(text)), None)
