// The application of test_legacy_upstreams.py on Node's http module, unaware of any proxy.
"use strict";
const fs = require("fs");
const http = require("http");

const PLAIN = { "Content-Type": "text/plain" };

function app(request, response) {
  const [path, query] = request.url.split("?");
  if (path === "/hello") {
    response.writeHead(200, { ...PLAIN, "Set-Cookie": ["a=1", "b=2"] });
    response.end("hello\n");
  } else if (path === "/echo") {
    response.writeHead(200, PLAIN);
    request.pipe(response);
  } else if (path.startsWith("/target")) {
    response.writeHead(200, PLAIN);
    response.end(request.url);
  } else if (path === "/events") {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("data: 1\n\n");
    const gate = `${process.env.GATES}/${query}`;
    let left = 1000;
    const look = setInterval(() => {
      left -= 1;
      if (left === 0 || fs.existsSync(gate)) {
        clearInterval(look);
        response.end("data: 2\n\n");
      }
    }, 10);
  } else if (path === "/refuse") {
    response.writeHead(413, PLAIN);
    response.end("too much\n");
  } else if (path === "/boom") {
    response.writeHead(500, PLAIN);
    response.end("it broke\n");
  } else {
    response.writeHead(404, PLAIN);
    response.end("nothing here\n");
  }
}

http.createServer(app).listen(Number(process.argv[2]), "127.0.0.1");
