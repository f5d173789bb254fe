"""The HTTP half of WHIP and WHEP, and JSON lines for the test that started the program."""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request


def say(**line):
    print(json.dumps(line), flush=True)


def post(url, offer):
    """POSTs an offer; returns the answer and the session's URL. Ends the program where the server refuses."""
    request = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = response.read().decode()
            if response.status != 201:
                raise SystemExit(f"{response.status} instead of 201")
            return answer, urllib.parse.urljoin(url, response.headers["Location"])
    except urllib.error.HTTPError as error:
        say(refused=error.code, answer=error.read().decode())
        sys.exit(3)


def delete(url):
    """Ends a session; returns the status."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
