//! An OAuth 2.0 token service, or a metadata server, on loopback.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Answers requests by their paths, and records them.
pub struct TokenService {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl TokenService {
    /// Answers every request with the same status and body.
    pub fn answering(status: u16, body: &str) -> Self {
        let body = body.to_owned();
        Self::answering_with(move |_| (status, body.clone()))
    }

    /// Answers each request with the status and the body for its path.
    pub fn answering_with(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::<Mutex<Vec<(String, String)>>>::default();
        let kept = asked.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let request = serve(stream, &answer).expect("the client keeps the connection open");
                kept.lock().expect("no test panics under the lock").push(request);
            }
        });
        Self { address, asked }
    }

    /// The bodies of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics under the lock");
        asked.iter().map(|(_, body)| body.clone()).collect()
    }

    /// The paths of the requests so far.
    pub fn paths(&self) -> Vec<String> {
        let asked = self.asked.lock().expect("no test panics under the lock");
        asked.iter().map(|(path, _)| path.clone()).collect()
    }
}

/// Returns the path and the body of the request.
fn serve(
    stream: TcpStream,
    answer: impl Fn(&str) -> (u16, String),
) -> std::io::Result<(String, String)> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    line.clear();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, answer) = answer(&path);
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok((path, String::from_utf8_lossy(&body).into_owned()))
}
