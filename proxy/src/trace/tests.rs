use std::sync::Mutex;

use super::*;
use crate::kit::{ASK, Does, Kit, MESSAGE, START, document, grant, token};

#[test]
fn one_request_in_so_many_is_traced() {
    let sink: Arc<dyn SpanSink> = Arc::new(Taken::default());
    let id = |n: u64| {
        let mut bytes = [7; 16];
        // As a random source would: spread over all 64 bits.
        bytes[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        RequestId::from_bytes(bytes)
    };

    let share = |one_in| {
        let tracer = Tracer::new(Arc::clone(&sink), one_in);
        (0..100_000).filter(|n| tracer.samples(id(*n))).count()
    };

    assert_eq!([share(0), share(1)], [0, 100_000]);
    let tenth = share(10);
    assert!((9_500..10_500).contains(&tenth), "{tenth}");
}

#[tokio::test]
async fn an_answered_request_is_traced_with_what_it_used() {
    let taken = Arc::new(Taken::default());
    let kit = traced(&taken).await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));

    let (head, _) = kit.ask(ASK).await;

    let spans = taken.0.lock().unwrap().clone();
    assert_eq!(spans.len(), 1);
    let span = &spans[0];
    let id = head.headers["bauta-request"].to_str().unwrap();
    assert_eq!(span.request.to_string(), id);
    assert_eq!((span.route, span.outcome), ("messages", "completed"));
    assert_eq!((span.began, span.status), (START, Some(200)));
    let answer = span.answer.as_ref().unwrap();
    assert_eq!((answer.operation, answer.provider), ("chat", "anthropic"));
    assert_eq!(answer.model, "claude-opus-4-7");
    assert_eq!((answer.usage.input, answer.usage.output), (10, 20));
    assert_eq!(answer.cost_micro_usd, 550);
}

#[tokio::test]
async fn a_refused_request_is_traced_with_its_reason_and_no_answer() {
    let taken = Arc::new(Taken::default());
    let kit = traced(&taken).await;

    kit.ask(&ASK.replace("claude-opus", "claude-gated")).await;

    let spans = taken.0.lock().unwrap().clone();
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].outcome, "refused");
    assert!(!spans[0].reason.is_empty() && spans[0].answer.is_none());
    assert!(spans[0].failed());
}

#[tokio::test]
async fn a_trace_has_no_field_for_a_caller() {
    let taken = Arc::new(Taken::default());
    let kit = traced(&taken).await;
    kit.main.will(Does::Says(document("200 OK", MESSAGE)));
    kit.ask(ASK).await;
    kit.ask(&ASK.replace("claude-opus", "canary-model")).await;

    let text = format!("{:?}", taken.0.lock().unwrap());

    assert!(text.contains("claude-opus"));
    let shown = token(|_| {});
    for canary in ["canary", "192.0.2.1", "hi", grant().as_str(), &shown] {
        let found = text.split(|c: char| !c.is_alphanumeric() && c != '.' && c != '_');
        assert!(!found.into_iter().any(|word| word == canary), "{canary}");
        assert!(canary == "hi" || !text.contains(canary), "{canary}: {text}");
    }
}

async fn traced(taken: &Arc<Taken>) -> Kit {
    let sink = Arc::clone(taken) as Arc<dyn SpanSink>;
    Kit::with(|parts| parts.tracer = Some(Tracer::new(sink, 1))).await
}

#[derive(Default)]
struct Taken(Mutex<Vec<Span>>);

impl SpanSink for Taken {
    fn take(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}
