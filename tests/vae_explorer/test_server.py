"""What our part of the server does when it starts."""

import socket

from vae_explorer import server


def test_connections_send_at_once_and_other_files_are_left_alone(tmp_path):
    here, there = socket.socketpair()
    with (tmp_path / "file").open("w") as file, socket.socket() as listening, here, there:
        listening.bind(("localhost", 0))
        listening.listen()
        assert not listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        server._send_at_once()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        file.write("still open")
        here.sendall(b"still connected")
        assert there.recv(100) == b"still connected"
