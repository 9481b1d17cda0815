// Hears with MQTT.js what it says itself, at the URL and with the authority that it is given.
"use strict";

const fs = require("node:fs");
const mqtt = require("mqtt");

const [url, authority] = process.argv.slice(2);
const said = Buffer.alloc(200000, "0123456789abcdef!");
const client = mqtt.connect(url, {
  protocolVersion: 5,
  reconnectPeriod: 0,
  ca: fs.readFileSync(authority),
});

function fail(error) {
  console.error(error);
  process.exit(1);
}

client.on("error", fail);
client.on("connect", () => {
  client.subscribe("echo", { qos: 2 }, (error) => {
    if (error) fail(error);
    client.publish("echo", said, { qos: 2 });
  });
});
client.on("message", (topic, payload) => {
  if (!payload.equals(said)) fail(`${payload.length} other bytes on ${topic}`);
  client.end(false, () => console.log("heard"));
});
