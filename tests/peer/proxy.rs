//! Proxies that connect to one address for every requested name, and a tap that records every byte.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// An HTTP or SOCKS5 proxy; clones share its state.
#[derive(Clone, Default)]
pub struct Proxy(Arc<Mutex<Vec<String>>>);

impl Proxy {
    /// The request of each client, as it was sent.
    pub fn asked(&self) -> Vec<String> {
        self.0.lock().expect("no test panics under the lock").clone()
    }

    fn note(&self, asked: impl Into<String>) {
        self.0.lock().expect("no test panics under the lock").push(asked.into());
    }

    /// Listens as an HTTP proxy with the method `CONNECT`.
    pub async fn listen_http(&self, target: SocketAddr) -> SocketAddr {
        let proxy = self.clone();
        listen(move |client| proxy.clone().tunnel(client, target)).await
    }

    async fn tunnel(self, mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        self.note(String::from_utf8_lossy(&head));
        let mut server = TcpStream::connect(target).await?;
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    /// Listens as a proxy for SOCKS4, SOCKS4a and SOCKS5 without authentication
    /// ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)).
    pub async fn listen_socks(&self, target: SocketAddr) -> SocketAddr {
        let proxy = self.clone();
        listen(move |client| proxy.clone().relay(client, target)).await
    }

    async fn relay(self, mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let mut greeting = [0; 2];
        client.read_exact(&mut greeting).await?;
        if greeting == [4, 1] {
            return self.relay_socks4(client, target).await;
        }
        client.read_exact(&mut vec![0; greeting[1].into()]).await?;
        client.write_all(&[5, 0]).await?;
        let mut request = [0; 4];
        client.read_exact(&mut request).await?;
        let host = match request {
            [5, 1, 0, 3] => {
                let mut name = vec![0; client.read_u8().await?.into()];
                client.read_exact(&mut name).await?;
                String::from_utf8_lossy(&name).into_owned()
            }
            [5, 1, 0, 1] => Ipv4Addr::from(client.read_u32().await?).to_string(),
            other => format!("{other:?}"),
        };
        self.note(format!("{host}:{}", client.read_u16().await?));
        let mut server = TcpStream::connect(target).await?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }

    async fn relay_socks4(self, mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let port = client.read_u16().await?;
        let address = client.read_u32().await?;
        read_text(&mut client).await?; // The user.
        let host = match address {
            // An invalid address announces a name.
            1..=255 => read_text(&mut client).await?,
            address => Ipv4Addr::from(address).to_string(),
        };
        self.note(format!("{host}:{port}"));
        let mut server = TcpStream::connect(target).await?;
        client.write_all(&[0, 90, 0, 0, 0, 0, 0, 0]).await?;
        copy_bidirectional(&mut client, &mut server).await.map(drop)
    }
}

/// Reads text up to a zero byte.
async fn read_text(client: &mut TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        match client.read_u8().await? {
            0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
            byte => text.push(byte),
        }
    }
}

/// A tap that records every byte in both directions.
#[derive(Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// Listens on loopback and forwards every connection to `target`.
    pub async fn listen(&self, target: SocketAddr) -> SocketAddr {
        let tape = self.clone();
        listen(move |client| tape.clone().join(client, target)).await
    }

    async fn join(self, client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let server = TcpStream::connect(target).await?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::join!(
            self.pass(&mut from_client, &mut to_server),
            self.pass(&mut from_server, &mut to_client)
        );
        Ok(())
    }

    async fn pass(
        &self,
        from: &mut (impl AsyncReadExt + Unpin),
        to: &mut (impl AsyncWriteExt + Unpin),
    ) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            self.0.lock().expect("no test panics under the lock").extend(&buffer[..read]);
            if to.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no test panics under the lock").clone()
    }
}

async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}
