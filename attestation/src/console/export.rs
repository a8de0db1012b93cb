//! The identity log as a file that proves its own completeness, written while it is sent.
//!
//! The export is on record before its first byte (ADR 18). One that breaks off is no export and
//! does not verify.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, HttpBody},
    extract::State,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bauta_audit::{
    export::{
        Disclosure, Durability, ExportError, Filter, Plane as Whose, Profile, Request, Window,
    },
    note::Signer,
    store::LogStore,
};
use bytes::Bytes;

use super::{Area, alerts::unsealed, enter, told, view};
use crate::{
    Plane, config::day, http::chain, log::TYPES, login::SignedInMember, oauth::fields::Form,
    portal::unavailable,
};

pub(super) async fn download(
    State(plane): State<Arc<Plane>>,
    who: SignedInMember,
    form: Form,
) -> Response {
    let desk = match enter(&plane, &who, Area::Audit) {
        Ok(desk) => desk,
        Err(closed) => return *closed,
    };
    let request = match asked(&form) {
        Ok(request) => request,
        Err(problem) => {
            let back = vec![view::Way {
                href: "/audit".to_owned(),
                label: "Back to the log".to_owned(),
            }];
            let said = ("Nothing was exported", problem);
            return told(desk, StatusCode::BAD_REQUEST, said, back);
        }
    };
    if let Err(error) = plane.seal().await {
        return unsealed(&error);
    }
    match plane.recorded(&request, &who).await {
        Ok(signer) => sent(&plane, signer, request),
        Err(error) => unavailable(&*error),
    }
}

fn asked(form: &Form) -> Result<Request, &'static str> {
    const DAY: &str = "A day is written as 2026-11-20, and the first is not after the last.";
    let a_day = |name: &str, absent: &str| -> Result<String, &'static str> {
        match form.find(name) {
            None => Ok(absent.to_owned()),
            Some(text) => {
                let day = day(text).ok_or(DAY)?;
                let at = if name == "to" {
                    day.start().plus_seconds(86_400)
                } else {
                    day.start()
                };
                Ok(at.to_string())
            }
        }
    };
    let (from, to) = (a_day("from", BEGINNING)?, a_day("to", END)?);
    let window = Window::new(&from, &to).ok_or(DAY)?;
    let filter = match form.find("type") {
        None => Filter::everything(),
        Some(kind) if TYPES.contains(&kind) => Filter::everything().only("type", [kind]),
        Some(_) => return Err("There is no such type of entry. Choose one from the list."),
    };
    Ok(Request {
        plane: Whose::Identity,
        window,
        filter,
        profile: Profile::Auditor,
        durability: Durability::Fsync,
        previous: None,
    })
}

impl Plane {
    /// Puts the export on record, with who asked for it.
    async fn recorded(
        &self,
        request: &Request,
        who: &SignedInMember,
    ) -> Result<Arc<Signer>, Box<dyn std::error::Error + Send + Sync>> {
        let signer = self.log_signer()?;
        let found = bauta_audit::export::measure(&*self.log(), &signer, request).await?;
        let told = Disclosure::new(request, "jsonl", found).by(&who.member.to_string());
        self.disclose(&told).await?;
        Ok(signer)
    }
}

fn sent(plane: &Plane, signer: Arc<Signer>, request: Request) -> Response {
    let name = format!(
        "attachment; filename=\"identity-{}.jsonl\"",
        plane.clock.now().day()
    );
    let disposition =
        HeaderValue::from_str(&name).unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("application/jsonl; charset=utf-8"),
        ),
        (CONTENT_DISPOSITION, disposition),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let body = Writing::new(plane.log(), signer, request);
    (headers, Body::new(body)).into_response()
}

/// An export on its way: the writer runs as far as it can whenever the reader wants more, so that
/// no more of it is in memory than was written between two waits for the database.
struct Writing {
    sheet: Sheet,
    work: Option<Work>,
}

type Work = Pin<Box<dyn Future<Output = Result<(), ExportError>> + Send>>;

impl Writing {
    fn new(log: Arc<dyn LogStore>, signer: Arc<Signer>, request: Request) -> Self {
        let sheet = Sheet::default();
        let mut out = sheet.clone();
        let work = async move {
            let written = bauta_audit::export::write(&*log, &signer, &request, &mut out).await;
            written.map(drop)
        };
        Self {
            sheet,
            work: Some(Box::pin(work)),
        }
    }
}

impl HttpBody for Writing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<http_body::Frame<Bytes>>>> {
        if let Some(work) = &mut self.work {
            match work.as_mut().poll(context) {
                Poll::Ready(Ok(())) => self.work = None,
                Poll::Ready(Err(error)) => {
                    tracing::error!(error = chain(&error), "an export broke off");
                    self.work = None;
                    return Poll::Ready(Some(Err(io::Error::other(BROKEN))));
                }
                Poll::Pending => {}
            }
        }
        let written = self.sheet.take();
        if !written.is_empty() {
            return Poll::Ready(Some(Ok(http_body::Frame::data(written))));
        }
        if self.work.is_some() {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }
}

/// Where the writer writes and the body takes from.
#[derive(Clone, Default)]
struct Sheet(Arc<Mutex<Vec<u8>>>);

impl Sheet {
    fn take(&self) -> Bytes {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Bytes::from(std::mem::take(&mut *held))
    }
}

impl Write for Sheet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BROKEN: &str = "the export broke off";
const BEGINNING: &str = "1970-01-01T00:00:00.000Z";
const END: &str = "9999-12-31T00:00:00.000Z";
