#!/bin/sh
# The application of test_legacy_upstreams.py as a CGI script, unaware of any proxy.
answer() {
  printf 'Status: %s\r\nContent-Type: text/plain\r\n\r\n' "$1"
}
case "$PATH_INFO" in
  /hello)
    printf 'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n'
    answer '200 OK'
    echo hello
    ;;
  /echo)
    # Apache sends all of the body before it reads any answer.
    body=$(mktemp)
    cat >"$body"
    answer '200 OK'
    cat "$body"
    rm "$body"
    ;;
  /target*)
    answer '200 OK'
    printf %s "$REQUEST_URI"
    ;;
  /events)
    printf 'Content-Type: text/event-stream\r\n\r\ndata: 1\n\n'
    left=1000
    while [ "$left" -gt 0 ] && ! [ -e "$GATES/$QUERY_STRING" ]; do
      left=$((left - 1))
      sleep 0.01
    done
    printf 'data: 2\n\n'
    ;;
  /refuse)
    answer '413 Too Large'
    echo 'too much'
    ;;
  /boom)
    answer '500 Broken'
    echo 'it broke'
    ;;
  *)
    answer '404 Not Found'
    echo 'nothing here'
    ;;
esac
