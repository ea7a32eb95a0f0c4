<?php
// The application of test_legacy_upstreams.py in PHP, unaware of any proxy.
header("Content-Type: text/plain");
$path = explode("?", $_SERVER["REQUEST_URI"])[0];
if ($path === "/hello") {
    header("Set-Cookie: a=1");
    header("Set-Cookie: b=2", false);
    echo "hello\n";
} elseif ($path === "/echo") {
    echo file_get_contents("php://input");
} elseif (str_starts_with($path, "/target")) {
    echo $_SERVER["REQUEST_URI"];
} elseif ($path === "/events") {
    header("Content-Type: text/event-stream");
    echo "data: 1\n\n";
    flush();
    $gate = getenv("GATES") . "/" . $_SERVER["QUERY_STRING"];
    for ($left = 1000; $left > 0 && !file_exists($gate); $left--) {
        usleep(10000);
        clearstatcache();
    }
    echo "data: 2\n\n";
} elseif ($path === "/refuse") {
    http_response_code(413);
    echo "too much\n";
} elseif ($path === "/boom") {
    http_response_code(500);
    echo "it broke\n";
} else {
    http_response_code(404);
    echo "nothing here\n";
}
