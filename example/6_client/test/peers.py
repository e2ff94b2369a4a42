# SPDX-License-Identifier: BSL-1.0
"""What the clients of this lesson are tested with: certificates, and servers that do as they are told."""

import contextlib
import json
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "support"))
import program

CERTIFICATES = {}  # name: (certificate's file, key's file); "ca": (file,)


def server_context(identity):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*CERTIFICATES[identity])
    return context


@contextlib.contextmanager
def server(serve, identity=None):
    """Calls serve(connection) in a thread for the first connection; gives the port.

    `identity`: speaks TLS with that certificate; a client that does not like it is no error."""
    def accept():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(program.PATIENCE)
                if identity:
                    connection = server_context(identity).wrap_socket(connection, server_side=True)
                with connection:
                    serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(program.PATIENCE)
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            if sys.exc_info()[0]:
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reset(connection):
    """Ends the connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def run(*arguments, data=None, **options):
    """The client, run to its end: exit code, standard output, lines of standard error."""
    if data is not None:
        options["input"] = data.encode() if isinstance(data, str) else data
    elif "stdin" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run([*program.COMMAND, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=program.PATIENCE, **options)
    return done.returncode, done.stdout, done.stderr.decode().splitlines()


class Client:
    """What holds of both clients; mixed into a TestCase of each."""

    def fails(self, texts, *arguments, **options):
        """It ends with exit code 1 and one line that says who and why; standard output."""
        code, out, err = run(*arguments, **options)
        self.assertEqual((code, len(err)), (1, 1), err)
        self.assertTrue(err[0].startswith(pathlib.Path(program.COMMAND[0]).name + ": "), err)
        for text in texts:
            self.assertIn(text, err[0])
        return out

    def test_help(self):
        code, out, err = run("--help")
        self.assertEqual((code, err), (0, []))
        for option in (b"--ca", b"--timeout"):
            self.assertIn(option, out)

    def test_no_operand_and_an_unknown_option(self):
        self.fails(["--help"])
        self.fails(["--none"], "--none")


def main():
    """usage: test.py PROGRAM CERTIFICATES SERVER"""
    with subprocess.Popen([sys.argv.pop(2)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        CERTIFICATES.update(json.loads(keeper.stdout.readline()))
        program.main()
