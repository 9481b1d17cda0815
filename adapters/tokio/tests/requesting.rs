//! Requests, answers and retained messages in an async program, on one thread.

use mqtt_std::Broker;
use mqtt_tokio::{AnswerError, Client, Options, QoS};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn requests_are_answered_side_by_side_and_may_be_dropped() {
    let broker = Broker::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", broker.local_addr());
    let client = Client::connect(&url, Options::new("a")).await.unwrap();
    let mut questions = client.subscribe("double", QoS::AtLeastOnce).await.unwrap();
    let server = client.clone();
    tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let number: u64 = question.text().parse().unwrap();
            let answer = server.respond(&question, (2 * number).to_string());
            answer.unwrap().await.unwrap();
        }
    });
    let ask = |number: u64| {
        let client = client.clone();
        async move {
            let request = client.request("double", number.to_string()).expiry(LIMIT);
            request.await.map(|answer| answer.text().into_owned())
        }
    };
    // One that nobody waits for any more changes nothing for the others.
    let given_up = tokio::spawn(ask(7));
    given_up.abort();
    let (one, other) = tokio::join!(ask(1), ask(2));
    assert_eq!(
        (one.unwrap(), other.unwrap()),
        ("2".to_owned(), "4".to_owned())
    );
    let nobody = client.request("halve", "8").await;
    assert!(
        matches!(nobody, Err(AnswerError::NoSubscriber)),
        "{nobody:?}"
    );
    client.publish("lamp", "on").retain(true).await.unwrap();
    let quiet = Duration::from_millis(300);
    assert_eq!(client.retained("lamp", quiet).await.unwrap().len(), 1);
    client
        .clear_retained("lamp")
        .await
        .unwrap()
        .acknowledged()
        .await
        .unwrap();
    assert_eq!(client.retained("lamp", quiet).await.unwrap().len(), 0);
    client.close(LIMIT).await.unwrap();
}
