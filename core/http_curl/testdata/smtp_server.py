"""A mail server for the tests. Prints its port, then a line of JSON for each message that it took. Ends
when its input does.

    smtp_server.py plain|starttls|tls server.pem

Login: user "alice", password "open sesame". Recipients at refused.test are refused, those at busy.test the
first time.
"""

import base64
import json
import socketserver
import ssl
import sys
import threading

mode = sys.argv[1]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
LOGIN = base64.b64encode(b"\0alice\0open sesame").decode()
busy = set()


class Session(socketserver.BaseRequestHandler):
    def say(self, text):
        self.stream.write((text + "\r\n").encode())
        self.stream.flush()

    def take(self, tls):
        self.connection = context.wrap_socket(self.request, server_side=True) if tls else self.request
        self.stream = self.connection.makefile("rwb")
        self.tls = tls

    def ehlo(self, rest):
        self.say("250-test")
        if mode == "starttls" and not self.tls:
            self.say("250-STARTTLS")
        self.say("250 AUTH PLAIN")

    def starttls(self, rest):
        self.say("220 go on")
        self.take(True)

    def auth(self, rest):
        given = rest.split()[1] if len(rest.split()) > 1 else self.challenge()
        self.login = given == LOGIN
        self.say("235 welcome" if self.login else "535 no")

    def challenge(self):
        self.say("334 ")
        return self.stream.readline().decode().strip()

    def mail(self, rest):
        self.sender, self.to = rest, []
        self.say("250 ok")

    def rcpt(self, rest):
        if "refused.test" in rest:
            self.say("550 nobody of that name")
        elif "busy.test" in rest and rest not in busy:
            busy.add(rest)
            self.say("451 come again")
        else:
            self.to.append(rest)
            self.say("250 ok")

    def data(self, rest):
        self.say("354 go on")
        lines = []
        while (line := self.stream.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        mail = {"from": self.sender, "to": self.to, "tls": self.tls, "login": self.login}
        mail["text"] = b"".join(lines).decode()
        print(json.dumps(mail), flush=True)
        self.say("250 taken")

    def quit(self, rest):
        self.say("221 bye")

    def handle(self):
        self.login = False
        self.take(mode == "tls")
        self.say("220 test")
        while line := self.stream.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            step = {v: getattr(self, v) for v in ("ehlo", "starttls", "auth", "mail", "rcpt", "data", "quit")}
            step.get(verb.lower(), lambda rest: self.say("502 what"))(rest)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that do not trust it


server = Server(("127.0.0.1", 0), Session)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
