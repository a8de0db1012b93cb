use super::*;

#[tokio::test]
async fn a_cut_gives_exactly_that_many_bytes_and_no_end() {
    let sandbox = sandbox();
    let asked = post(
        "/v1/messages",
        RAW_HEADERS,
        &asking(&json!({"stream": true})),
    );
    let (whole, _) = raw(sandbox.anthropic.address(), &asked).await;
    let (whole, ended) = unchunked(&whole);
    assert!(ended);

    for count in [0, 1, 7, 200, whole.len() - 1] {
        sandbox.anthropic.next(Fault::CutAfter(count));
        let (cut, _) = raw(sandbox.anthropic.address(), &asked).await;
        let (cut, ended) = unchunked(&cut);

        assert_eq!(cut.len(), count);
        assert!(!ended, "cut at {count} ended");
    }
}

#[tokio::test]
async fn a_cut_document_falls_short_of_its_length() {
    let sandbox = sandbox();
    let asked = post("/v1/messages", RAW_HEADERS, &asking(&json!({})));

    sandbox.anthropic.next(Fault::CutAfter(10));
    let (cut, _) = raw(sandbox.anthropic.address(), &asked).await;

    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    let promised: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(body.len(), 10);
    assert!(promised > 10);
}

#[tokio::test]
async fn a_stream_can_end_without_its_last_event() {
    let sandbox = sandbox();
    sandbox.anthropic.next(Fault::NoTerminal);

    let stream = send(&sandbox.anthropic, &asking(&json!({"stream": true}))).await;

    let told = events(&stream.text());
    assert_eq!(told.last().unwrap().0, "message_delta");
}

#[tokio::test]
async fn a_stream_can_turn_into_an_error() {
    let sandbox = sandbox();
    let with = Anthropic::error_event("overloaded_error", "Overloaded");
    sandbox.anthropic.next(Fault::Interrupt { after: 4, with });

    let stream = send(&sandbox.anthropic, &asking(&json!({"stream": true}))).await;

    let told = events(&stream.text());
    assert_eq!(told.len(), 5);
    assert_eq!(told[4].0, "error");
}

#[tokio::test]
async fn the_same_bytes_come_in_any_pieces() {
    let sandbox = sandbox();
    let body = asking(&json!({"stream": true}));
    let same = |text: &str| text.split("msg_").count();
    let whole = send(&sandbox.anthropic, &body).await.text();

    for fault in [
        Fault::Rechunk(1),
        Fault::Rechunk(13),
        Fault::Slow(Duration::ZERO),
    ] {
        sandbox.anthropic.next(fault);
        let pieces = send(&sandbox.anthropic, &body).await.text();

        assert_eq!(pieces.len(), whole.len());
        assert_eq!(same(&pieces), same(&whole));
    }
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let sandbox = sandbox();
    let asked = post(
        "/v1/messages",
        RAW_HEADERS,
        &asking(&json!({"stream": true})),
    );

    for fault in [Fault::Reset, Fault::ResetAfter(100)] {
        sandbox.anthropic.next(fault);
        let (_, end) = raw(sandbox.anthropic.address(), &asked).await;

        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    assert_eq!(
        sandbox.anthropic.aborted(),
        0,
        "we broke it off, not the client"
    );
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let sandbox = sandbox();
    let address = sandbox.anthropic.address();
    let asked = post(
        "/v1/messages",
        RAW_HEADERS,
        &asking(&json!({"stream": true})),
    );

    sandbox.anthropic.next(Fault::Hang);
    let hanging = begin(address, &asked, 0).await;
    soon(sandbox.anthropic.until_requests(1)).await;
    drop(hanging);
    soon(sandbox.anthropic.until_aborted(1)).await;

    sandbox.anthropic.next(Fault::StallAfter(50));
    drop(begin(address, &asked, 120).await);
    soon(sandbox.anthropic.until_aborted(2)).await;

    let (whole, _) = raw(address, &asked).await;
    assert!(unchunked(&whole).1);
    assert_eq!(sandbox.anthropic.aborted(), 2);
}

#[tokio::test]
async fn faults_happen_in_order_and_where_they_belong() {
    let sandbox = sandbox();
    sandbox
        .anthropic
        .next_at("/v1/models", Refusal::Internal.fault());
    sandbox.anthropic.next(Refusal::Overloaded.fault());

    let first = send(&sandbox.anthropic, &asking(&json!({}))).await;
    let second = send(&sandbox.anthropic, &asking(&json!({}))).await;
    assert_eq!(sandbox.anthropic.faults_left(), 1);
    let models = call(
        "GET",
        &format!("{}/v1/models", sandbox.anthropic.url()),
        &HEADERS,
        "",
    )
    .await;

    assert_eq!(
        (
            first.status.as_u16(),
            second.status.as_u16(),
            models.status.as_u16()
        ),
        (529, 200, 500)
    );
}

#[tokio::test]
async fn weather_strikes_until_it_ends() {
    let sandbox = sandbox();
    let always = Storm::new(1, 1000, vec![Refusal::Overloaded.fault()]);
    sandbox.anthropic.weather(Some(always));

    let during = send(&sandbox.anthropic, &asking(&json!({}))).await;
    sandbox.anthropic.weather(None);
    let after = send(&sandbox.anthropic, &asking(&json!({}))).await;

    assert_eq!((during.status.as_u16(), after.status.as_u16()), (529, 200));
}

#[tokio::test]
async fn a_sandbox_that_shut_down_frees_its_ports() {
    let sandbox = sandbox();
    let address = sandbox.anthropic.address();
    let asked = post(
        "/v1/messages",
        RAW_HEADERS,
        &asking(&json!({"stream": true})),
    );
    sandbox.anthropic.next(Fault::StallAfter(50));
    let _open = begin(address, &asked, 120).await;

    soon(sandbox.shutdown()).await;

    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
