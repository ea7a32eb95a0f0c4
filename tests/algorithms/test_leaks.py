"""The insides of programs, as they show in error pages; and what is none."""

from __future__ import annotations

import json
import time

import pytest

from proxy.algorithms.leaks import leak_in

PYTHON = """Traceback (most recent call last):
  File "/app/views.py", line 7, in show
    raise ValueError("no")
ValueError: no"""
DJANGO = "<p>You see this since you have <code>DEBUG = True</code> in your Django settings file.</p>"
PYTHON_HTML = """<li>File &quot;/app/views.py&quot;, line 7, in show"""
JAVA = """java.lang.NullPointerException: null
\tat com.example.Shop.order(Shop.java:42)
\tat java.base/java.lang.Thread.run(Thread.java:1583)"""
JAVA_NATIVE = "\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(Native Method)"
DOTNET = """System.NullReferenceException: Object reference not set to an instance of an object.
   at Shop.Orders.Show(Int32 id) in C:\\src\\Shop\\Orders.cs:line 42
   at Microsoft.AspNetCore.Routing.EndpointMiddleware.Invoke(HttpContext httpContext)"""
DOTNET_PAGE = "<title>Server Error in '/shop' Application.</title>"
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at show (/app/routes/orders.js:7:13)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)"""
NODE_MODULE = "Error: no\n    at async file:///app/server.mjs:10:3"
NODE_WINDOWS = "    at Layer.handle (C:\\\\app\\\\node_modules\\\\express\\\\lib\\\\router\\\\layer.js:95:5)"
PHP = "<b>Fatal error</b>:  Uncaught TypeError: no in <b>/var/www/orders.php</b> on line <b>7</b><br />"
PHP_PLAIN = "PHP Warning:  Undefined variable $id in /var/www/orders.php on line 7"
PHP_TRACE = "#0 /var/www/html/index.php(12): Shop\\Orders->show()\n#1 {main}"
RUBY = "app/controllers/orders_controller.rb:7:in `show'"
RUBY_NEW = "app/controllers/orders_controller.rb:7:in 'OrdersController#show'"
GO = """panic: runtime error: index out of range [3] with length 3

goroutine 18 [running]:
main.show(0xc000010000)
\t/app/main.go:17 +0x1d"""
RUST = "thread 'main' panicked at src/main.rs:4:5:\nindex out of bounds"
MYSQL = "You have an error in your SQL syntax; check the manual"
POSTGRES = 'ERROR:  syntax error at or near "SELCT"'
PDO = "SQLSTATE[42S02]: Base table or view not found"
ORACLE = "ORA-00942: table or view does not exist"
MSSQL = "Unclosed quotation mark after the character string ''."
DRIVER = "sqlite3.OperationalError: no such table: users"
RAILS = "PG::UndefinedTable: ERROR"

LEAKS = [
    ("Python", PYTHON), ("Python", DJANGO), ("Python", PYTHON_HTML), ("Java", JAVA), ("Java", JAVA_NATIVE),
    (".NET", DOTNET), (".NET", DOTNET_PAGE), ("Node", NODE), ("Node", NODE_MODULE), ("Node", NODE_WINDOWS),
    ("PHP", PHP), ("PHP", PHP_PLAIN), ("PHP", PHP_TRACE), ("Ruby", RUBY), ("Ruby", RUBY_NEW), ("Go", GO),
    ("Rust", RUST), ("SQL", MYSQL), ("SQL", POSTGRES), ("SQL", PDO), ("SQL", ORACLE), ("SQL", MSSQL),
    ("SQL", DRIVER), ("SQL", RAILS),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), LEAKS)
def test_it_is_found_as_text_and_in_json(language: str, text: str) -> None:
    page = f"<html><body><pre>{text}</pre></body></html>".encode()

    assert [language] * 3 == [
        leak_in(text.encode()),
        leak_in(page),
        leak_in(json.dumps({"trace": text}).encode()),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Internal Server Error",
        '{"error": "Something went wrong", "request_id": "4711"}',
        "We are working at full speed (since 10:30:00) and will be back at 12:00.",
        "Contact us at support@example.com (Mon-Fri) or look at https://status.example.com:8443/7",
        "<p>Warning: the shop is closed on line 7 of the metro today.</p>",
        "Error: the file orders.php could not be found",
        "Our SQL course starts on Monday. Ruby and Go follow at school (Room 3.14).",
        "Meet me at System. Great (really)",
        '{"code": "E_SYNTAX", "detail": "unexpected token at position 12"}',
        "The traceback of the parcel (most recent first) is not available.",
    ],
)
def test_what_is_written_for_people_is_none(text: str) -> None:
    assert None is leak_in(text.encode())


@pytest.mark.parametrize(
    "unit",
    [
        b"at ", b"at a", b"at a.", b"at " + b"a" * 299 + b"(", b"Warning: ", b"Uncaught a: ",
        b"a in b.php ", b"#1 /", b"goroutine 1 [",
        b"File '", b"at x(" + b"y" * 290, b"sqlite3.", b"thread '", b"\x00", b" in /a:",
    ],
)  # fmt: skip
def test_no_text_takes_long(unit: bytes) -> None:
    text = (unit * (256 * 1024 // len(unit) + 1))[: 256 * 1024]
    started = time.process_time()
    leak_in(text)

    assert time.process_time() - started < 2
