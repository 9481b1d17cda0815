"""Hears with paho-mqtt what it says itself, at the URL and with the authority that it is given."""

import sys
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt

url, authority = urlsplit(sys.argv[1]), sys.argv[2]
said = b"0123456789abcdef!" * 10_000
transport = "websockets" if url.scheme in ("ws", "wss") else "tcp"
transport = "unix" if url.scheme == "unix" else transport
client = mqtt.Client(
    mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, transport=transport
)
if url.scheme in ("mqtts", "wss"):
    client.tls_set(ca_certs=authority)


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("echo", 2)


def on_subscribe(client, userdata, mid, reasons, properties):
    client.publish("echo", said, 2)


def on_message(client, userdata, message):
    print("heard" if message.payload == said else "something else", flush=True)
    client.disconnect()


client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
if transport == "unix":
    client.connect(url.path, 1)
else:
    client.connect(url.hostname, url.port)
client.loop_forever()
