//! An OAuth 2.0 token service on loopback.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Answers every request with the same status and body, and records the requests.
pub struct TokenService {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TokenService {
    pub fn answering(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (kept, body) = (asked.clone(), body.to_owned());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let request =
                    serve(stream, status, &body).expect("the client keeps the connection open");
                kept.lock().expect("no test panics under the lock").push(request);
            }
        });
        Self { address, asked }
    }

    /// The bodies of the requests so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics under the lock").clone()
    }
}

fn serve(stream: TcpStream, status: u16, answer: &str) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{answer}",
        answer.len()
    )?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}
