//! Where does a message go that cannot be read? To the rejected queue, with the reason.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};

use super::tls::Broker;
use super::{Amqp, AmqpError, Publisher};

/// Keeps what cannot be read where an operator finds it.
#[derive(Debug)]
pub(super) struct Rejects {
    publisher: Publisher,
    queue: String,
    declare: bool,
}

impl Rejects {
    /// For this intake's rejected queue.
    pub(super) fn new(settings: &Amqp) -> Self {
        Self {
            publisher: Publisher::lazy(Broker::of(settings), format!("signoff/{}/rejected", settings.name)),
            queue: settings.rejected_queue.clone(),
            declare: settings.declare,
        }
    }

    /// Keeps this message with this reason. After an error it is not kept: do not acknowledge it.
    pub(super) async fn keep(&self, message: &Delivery, reason: &str) -> Result<(), AmqpError> {
        let kept = self.publisher.send("", &self.queue, properties(message, reason), &message.data).await;
        if matches!(kept, Err(AmqpError::Returned)) && self.declare {
            // Somebody deleted the queue; the next try finds it again.
            self.publisher.declare_rejected(&self.queue).await?;
        }
        kept
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        self.publisher.close().await;
    }
}

/// What describes the message is kept. Its headers are not (`CC` routes, long ones overflow a
/// frame), nor what would make the broker drop it (`expiration`) or refuse it (`user_id`).
fn properties(message: &Delivery, reason: &str) -> BasicProperties {
    let from = &message.properties;
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("x-signoff-reason", reason),
        ("x-signoff-exchange", message.exchange.as_str()),
        ("x-signoff-routing-key", message.routing_key.as_str()),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(value.into()));
    }
    let mut kept = BasicProperties::default().with_headers(headers);
    if let Some(content_type) = from.content_type() {
        kept = kept.with_content_type(content_type.clone());
    }
    if let Some(encoding) = from.content_encoding() {
        kept = kept.with_content_encoding(encoding.clone());
    }
    if let Some(id) = from.message_id() {
        kept = kept.with_message_id(id.clone());
    }
    if let Some(timestamp) = from.timestamp() {
        kept = kept.with_timestamp(*timestamp);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn header() -> impl Strategy<Value = (String, AMQPValue)> {
        let text = "[ -~]{0,80}".prop_map(|text| AMQPValue::LongString(text.into()));
        let value = prop_oneof![text, any::<i64>().prop_map(AMQPValue::LongLongInt), Just(AMQPValue::Void)];
        let nested = (value, any::<bool>())
            .prop_map(|(value, nested)| if nested { AMQPValue::FieldArray(vec![value].into()) } else { value });
        ("[a-zA-Z-]{0,40}", nested)
    }

    proptest! {
        #[test]
        fn whatever_headers_a_message_has_only_ours_are_kept(
            given in vec(header(), 0..6), reason in "[ -~]{0,256}", key in ".{0,40}", body in vec(any::<u8>(), 0..40),
        ) {
            let mut message = Delivery::mock(1, "idp".into(), key.as_str().into(), false, body);
            let mut headers = FieldTable::default();
            for (name, value) in given {
                headers.insert(name.into(), value);
            }
            headers.insert("x-signoff-reason".into(), AMQPValue::LongString("forged".into()));
            message.properties = BasicProperties::default().with_headers(headers);
            let kept = properties(&message, &reason);
            let kept = kept.headers().as_ref().expect("headers").inner();
            prop_assert_eq!(kept.len(), 3);
            prop_assert_eq!(&kept["x-signoff-reason"], &AMQPValue::LongString(reason.as_str().into()));
            prop_assert_eq!(&kept["x-signoff-routing-key"], &AMQPValue::LongString(key.as_str().into()));
        }
    }

    #[test]
    fn a_rejected_message_keeps_its_content_type_and_none_of_its_headers() {
        let mut message = Delivery::mock(1, "idp".into(), "realm.logout".into(), false, b"x".to_vec());
        let mut headers = FieldTable::default();
        headers.insert("CC".into(), AMQPValue::LongString("elsewhere".into()));
        message.properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_expiration("1".into())
            .with_user_id("idp".into())
            .with_headers(headers);
        let kept = properties(&message, "malformed: $.id is missing");
        assert_eq!(kept.content_type(), &Some("application/json".into()));
        assert!(kept.expiration().is_none() && kept.user_id().is_none());
        let headers = kept.headers().as_ref().unwrap().inner();
        let names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["x-signoff-exchange", "x-signoff-reason", "x-signoff-routing-key"]);
        assert_eq!(headers["x-signoff-routing-key"], AMQPValue::LongString("realm.logout".into()));
    }
}
