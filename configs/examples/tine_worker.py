"""Makes Python functions functions of tine.

    # thumb.py
    from tine_worker import serve
    def thumb(path, width):
        ...
        return {"path": path, "width": width}
    serve({"thumb": thumb})

    # tined.json
    "functions": [{"name": "thumb", "command": ["python3", "-u", "thumb.py"]}]

    $ tine run --fn thumb --args '["a.jpg", 100]'

A worker starts the program at its first call and keeps it. Arguments and results are JSON; an exception becomes the
call's error with its type and message. What is printed goes to stderr, and so to the job's files, as stdout carries the
answers. With several functions in `serve` the one that the config names is called, so one program serves many names.
"""
import json
import os
import sys


def serve(functions):
    """Answers calls until there are no more. Never returns before."""
    name = os.environ.get("TINE_FUNCTION", "")
    if len(functions) == 1:
        (function,) = functions.values()
    elif name in functions:
        function = functions[name]
    else:
        sys.exit("tine_worker: there is no function %r; there are: %s" % (name, ", ".join(sorted(functions))))
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    # Whatever the functions read or print, in C or in Python, must not be taken for a request or an answer.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    for line in requests:
        request = json.loads(line)
        try:
            text = json.dumps({"id": request["id"], "result": function(*request["args"])}, allow_nan=False)
        except Exception as error:
            text = json.dumps({"id": request["id"], "error": {"type": type(error).__name__, "message": str(error)}})
        sys.stdout.flush()
        sys.stderr.flush()
        replies.write(text.encode() + b"\n")
        replies.flush()
