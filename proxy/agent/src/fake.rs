//! A server that answers as it is told, in order, and remembers what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::origin::Origin;

pub(crate) struct Fake {
    port: u16,
    told: Arc<Told>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct Told {
    answers: Mutex<VecDeque<String>>,
    requests: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::new(Told::default());
        let mut serving = JoinSet::new();
        let heard = Arc::clone(&told);
        serving.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                heard.serve(stream).await;
            }
        });
        Self {
            port,
            told,
            _serving: serving,
        }
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::parse(&format!("http://127.0.0.1:{}", self.port)).unwrap()
    }

    /// The next answer; without one, a connection is closed unanswered.
    pub(crate) fn answers(&self, status: u16, body: impl AsRef<str>) {
        let body = body.as_ref();
        self.push(format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    pub(crate) fn leads_to(&self, place: &str) {
        self.push(format!(
            "HTTP/1.1 302 X\r\nconnection: close\r\nlocation: {place}\r\ncontent-length: 0\r\n\r\n"
        ));
    }

    /// The next connection is closed once its request was read.
    pub(crate) fn hangs_up(&self) {
        self.push(String::new());
    }

    /// First lines and bodies, as `POST /path HTTP/1.1 a=b&c=d`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.told.requests.lock().unwrap().clone()
    }

    pub(crate) fn metadata(&self) -> String {
        let at = self.origin();
        format!(
            "{{\"issuer\":\"{at}\",\"authorization_endpoint\":\"{at}/oauth/authorize\",\
             \"token_endpoint\":\"{at}/oauth/token\",\"revocation_endpoint\":\"{at}/oauth/revoke\",\
             \"device_authorization_endpoint\":\"{at}/oauth/device_authorization\",\
             \"code_challenge_methods_supported\":[\"S256\"],\
             \"authorization_response_iss_parameter_supported\":true,\
             \"protected_resources\":[\"https://gw.example.com\"]}}"
        )
    }

    fn push(&self, answer: String) {
        self.told.answers.lock().unwrap().push_back(answer);
    }
}

impl Told {
    async fn serve(&self, mut stream: TcpStream) {
        let mut read = Vec::new();
        let (head, whole) = loop {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap_or(0);
            if n == 0 {
                return;
            }
            read.extend_from_slice(&part[..n]);
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, _)) = text.split_once("\r\n\r\n") {
                let length = head
                    .to_ascii_lowercase()
                    .split_once("content-length: ")
                    .and_then(|(_, rest)| rest.lines().next()?.parse::<usize>().ok());
                let start = head.len().saturating_add(4);
                let whole = start.saturating_add(length.unwrap_or(0));
                break (start, whole);
            }
        };
        while read.len() < whole {
            let mut part = [0; 4096];
            let n = stream.read(&mut part).await.unwrap_or(0);
            read.extend_from_slice(&part[..n]);
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let (line, body) = (text.lines().next().unwrap(), &text[head..]);
        let request = format!("{line} {body}").trim_end().to_owned();
        self.requests.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or_default();
        drop(stream.write_all(answer.as_bytes()).await);
    }
}
