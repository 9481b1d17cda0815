"""Does with paho-mqtt what it is told on its input, line by line, and tells what it sees.

A line is a word and fields, name=value, with tabs between them. Payloads and Correlation Data
are hexadecimal.
"""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

speaking = threading.Lock()


def tell(word, **fields):
    line = "\t".join([word] + [f"{name}={value}" for name, value in fields.items()])
    with speaking:
        print(line, flush=True)


def on_connect(client, userdata, flags, reason, properties):
    tell("connected", session=int(flags.session_present), reason=reason.value)


def on_disconnect(client, userdata, flags, reason, properties):
    tell("disconnected", reason=reason.value)


def on_subscribe(client, userdata, mid, reasons, properties):
    tell("subscribed", reasons=",".join(str(reason.value) for reason in reasons))


def on_publish(client, userdata, mid, reason, properties):
    tell("published", reason=reason.value)


def on_message(client, userdata, message):
    properties = message.properties
    users = getattr(properties, "UserProperty", [])
    tell(
        "message",
        topic=message.topic,
        qos=message.qos,
        retain=int(message.retain),
        payload=message.payload.hex(),
        content_type=getattr(properties, "ContentType", ""),
        response_topic=getattr(properties, "ResponseTopic", ""),
        correlation=getattr(properties, "CorrelationData", b"").hex(),
        expiry=getattr(properties, "MessageExpiryInterval", ""),
        user="|".join(f"{name}:{value}" for name, value in users),
    )


def connect(port, fields):
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2,
        client_id=fields["id"],
        protocol=mqtt.MQTTv5,
        reconnect_on_failure=False,
    )
    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    client.on_subscribe = on_subscribe
    client.on_publish = on_publish
    client.on_message = on_message
    if "user" in fields:
        client.username_pw_set(fields["user"], fields["password"])
    if "will_topic" in fields:
        client.will_set(
            fields["will_topic"],
            bytes.fromhex(fields["will_payload"]),
            int(fields["will_qos"]),
            fields["will_retain"] == "1",
        )
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = int(fields["expiry"])
    client.connect(
        "127.0.0.1", port, clean_start=fields["clean"] == "1", properties=properties
    )
    client.loop_start()
    return client


def publish(client, fields):
    properties = Properties(PacketTypes.PUBLISH)
    if "content_type" in fields:
        properties.ContentType = fields["content_type"]
    if "response_topic" in fields:
        properties.ResponseTopic = fields["response_topic"]
    if "correlation" in fields:
        properties.CorrelationData = bytes.fromhex(fields["correlation"])
    if "expiry" in fields:
        properties.MessageExpiryInterval = int(fields["expiry"])
    if "user" in fields:
        pairs = [tuple(pair.split(":")) for pair in fields["user"].split("|")]
        properties.UserProperty = pairs
    client.publish(
        fields["topic"],
        bytes.fromhex(fields["payload"]),
        int(fields["qos"]),
        fields["retain"] == "1",
        properties,
    )


def main():
    port, client = int(sys.argv[1]), None
    for line in sys.stdin:
        word, *rest = line.rstrip("\n").split("\t")
        fields = dict(field.split("=", 1) for field in rest)
        if word == "connect":
            client = connect(port, fields)
        elif word == "subscribe":
            client.subscribe(fields["filter"], int(fields["qos"]))
        elif word == "publish":
            publish(client, fields)
        elif word == "disconnect":
            client.disconnect()
            client.loop_stop()
            return


main()
