// Does with MQTT.js what it is told on its input, line by line, and tells what it sees: the same
// lines as paho_agent.py.
"use strict";

const readline = require("node:readline");
const mqtt = require("mqtt");

const port = Number(process.argv[2]);
let client = null;

function tell(word, fields) {
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  process.stdout.write([word, ...pairs].join("\t") + "\n");
}

// The names and values of user properties, in the order in which MQTT.js has them.
function users(properties) {
  const all = [];
  for (const [name, values] of Object.entries(properties.userProperties ?? {})) {
    for (const value of [values].flat()) all.push(`${name}:${value}`);
  }
  return all.join("|");
}

function connect(fields) {
  const options = {
    host: "127.0.0.1",
    port,
    protocolVersion: 5,
    clientId: fields.id,
    clean: fields.clean === "1",
    reconnectPeriod: 0,
    properties: { sessionExpiryInterval: Number(fields.expiry) },
  };
  if (fields.user !== undefined) {
    options.username = fields.user;
    options.password = fields.password;
  }
  if (fields.will_topic !== undefined) {
    options.will = {
      topic: fields.will_topic,
      payload: Buffer.from(fields.will_payload, "hex"),
      qos: Number(fields.will_qos),
      retain: fields.will_retain === "1",
    };
  }
  client = mqtt.connect(options);
  client.on("connect", (connack) => {
    tell("connected", { session: Number(connack.sessionPresent), reason: connack.reasonCode });
  });
  client.on("error", (error) => {
    if (error.code === undefined) throw error;
    tell("connected", { session: 0, reason: error.code });
  });
  client.on("disconnect", (packet) => tell("disconnected", { reason: packet.reasonCode ?? 0 }));
  client.on("message", (topic, payload, packet) => {
    const properties = packet.properties ?? {};
    tell("message", {
      topic,
      qos: packet.qos,
      retain: Number(packet.retain),
      payload: payload.toString("hex"),
      content_type: properties.contentType ?? "",
      response_topic: properties.responseTopic ?? "",
      correlation: (properties.correlationData ?? Buffer.alloc(0)).toString("hex"),
      expiry: properties.messageExpiryInterval ?? "",
      user: users(properties),
    });
  });
}

function subscribe(fields) {
  client.subscribe(fields.filter, { qos: Number(fields.qos) }, (error, granted) => {
    if (error) throw error;
    tell("subscribed", { reasons: granted.map((one) => one.qos).join(",") });
  });
}

function publish(fields) {
  const properties = {};
  if (fields.content_type !== undefined) properties.contentType = fields.content_type;
  if (fields.response_topic !== undefined) properties.responseTopic = fields.response_topic;
  if (fields.correlation !== undefined) {
    properties.correlationData = Buffer.from(fields.correlation, "hex");
  }
  if (fields.expiry !== undefined) properties.messageExpiryInterval = Number(fields.expiry);
  if (fields.user !== undefined) {
    properties.userProperties = {};
    for (const pair of fields.user.split("|")) {
      const [name, value] = pair.split(":");
      (properties.userProperties[name] ??= []).push(value);
    }
  }
  const options = { qos: Number(fields.qos), retain: fields.retain === "1", properties };
  client.publish(fields.topic, Buffer.from(fields.payload, "hex"), options, (error) => {
    if (error) throw error;
    tell("published", { reason: 0 });
  });
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, ...rest] = line.split("\t");
  const split = (field) => [field.slice(0, field.indexOf("=")), field.slice(field.indexOf("=") + 1)];
  const fields = Object.fromEntries(rest.map(split));
  if (word === "connect") connect(fields);
  else if (word === "subscribe") subscribe(fields);
  else if (word === "publish") publish(fields);
  else if (word === "disconnect") client.end(false, () => process.exit(0));
});
