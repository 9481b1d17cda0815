//! The program as it is run: processes, pipes, exit codes.

mod run;

use mqtt_std::{Client, Options, QoS};
use run::{LIMIT, Server, mqtt, run, run_with_input};
use std::net::TcpListener;
use std::thread;

const OK: i32 = 0;
const LOCAL: i32 = 1;
const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const UNREACHABLE: i32 = 4;
const TIMED_OUT: i32 = 5;
const LOST: i32 = 6;

#[test]
fn a_retained_message_comes_as_it_was_published() {
    let server = Server::start();
    let published = run(server
        .client("pub")
        .args(["-t", "a/b", "-r", "-q", "1", "-m", "-21.5 °C"])
        .args(["--content-type", "text/plain", "--user-property", "k=v=w"]));
    assert_eq!(published.code, OK, "{published:?}");
    let plain = run(server.client("sub").args(["-t", "a/#", "-C", "1", "-v"]));
    assert_eq!((plain.code, plain.text()), (OK, "a/b -21.5 °C\n"));
    let format = "%t|%p|%l|%q|%r|%C|%P";
    let formatted = run(server
        .client("sub")
        .args(["-t", "a/+", "-C", "1", "-q", "2", "-N", "-F", format]));
    let told = "a/b|-21.5 °C|9|1|1|text/plain|k:v=w";
    assert_eq!((formatted.code, formatted.text()), (OK, told));
    let json = run(server
        .client("sub")
        .args(["-t", "a/b", "-C", "1", "--json"]));
    let rest = r#""topic":"a/b","qos":0,"retain":true,"dup":false,"length":9,"payload":"-21.5 °C","properties":{"content_type":"text/plain","user_properties":[["k","v=w"]]}}"#;
    assert!(json.text().ends_with(&format!("{rest}\n")), "{json:?}");
    // An empty retained message takes it away.
    assert_eq!(
        run(server.client("pub").args(["-t", "a/b", "-r", "-n"])).code,
        OK
    );
    let none = run(server.client("sub").args(["-t", "a/b", "-W", "0.3"]));
    assert_eq!((none.code, none.text()), (TIMED_OUT, ""), "{none:?}");
}

#[test]
fn bytes_go_through_pipes_unchanged() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut publish = server.client("pub");
    publish.args(["-t", "a", "-q", "2", "-r", "-s"]);
    assert_eq!(run_with_input(&mut publish, bytes.clone()).code, OK);
    let printed = run(server.client("sub").args(["-t", "a", "-C", "1", "-N"]));
    assert_eq!(printed.code, OK);
    assert!(printed.stdout == bytes, "{} bytes", printed.stdout.len());
}

#[test]
fn no_line_is_lost() {
    // A million unless it is built to be looked into; each queue holds few of them.
    const LINES: usize = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    let server = Server::start_with(&["--queue-messages", "10000"]);
    assert_eq!(
        run(server.client("pub").args(["-t", "ready", "-r", "-m", "0"])).code,
        OK
    );
    let count = (LINES + 1).to_string();
    let mut subscribe = server.client("sub");
    subscribe.args(["-q", "1", "-C", &count, "-t", "ready", "-t", "x"]);
    let mut subscriber = mqtt(&mut subscribe);
    // What is printed first says that everything is subscribed.
    assert_eq!(subscriber.line(), "0");
    let lines: String = (1..=LINES).map(|line| format!("{line}\n")).collect();
    let mut publish = server.client("pub");
    publish.args(["-t", "x", "-q", "1", "-l"]);
    let input = lines.clone().into_bytes();
    let (published, printed) = thread::scope(|scope| {
        let published = scope.spawn(|| run_with_input(&mut publish, input));
        // Who is not read prints no more, and is not waited for without end.
        let printed = subscriber.finish();
        (published.join().unwrap(), printed)
    });
    assert_eq!(published.code, OK, "{published:?}");
    assert_eq!((printed.code, &*printed.stderr), (OK, ""));
    assert!(printed.text() == lines, "{} bytes", printed.stdout.len());
}

#[test]
fn a_run_counts_what_it_publishes_and_what_is_delivered() {
    let server = Server::start();
    let bench = |args: &[&str]| {
        run(server
            .client("bench")
            .args(["--json", "-i", "b"])
            .args(args))
    };
    let field = |ended: &run::Ended, name: &str| {
        let object: serde_json::Value = serde_json::from_str(ended.text()).unwrap();
        let value = object.pointer(name).and_then(serde_json::Value::as_f64);
        value.unwrap_or_else(|| panic!("{name}: {ended:?}"))
    };
    let counts = ["/published", "/acknowledged", "/delivered", "/missing"];
    let latency = ["min", "p50", "p90", "p99", "p999", "max"];
    for qos in ["1", "2"] {
        let clients = ["--publishers", "3", "--subscribers", "2", "-C", "3000"];
        let ended = bench(&[&clients[..], &["-q", qos, "--in-flight", "20"]].concat());
        assert_eq!(ended.code, OK, "{ended:?}");
        let counted = counts.map(|name| field(&ended, name));
        assert_eq!(counted, [3_000.0, 3_000.0, 6_000.0, 0.0], "{ended:?}");
        let spans = latency.map(|name| field(&ended, &format!("/latency/{name}_us")));
        assert!(spans.is_sorted() && spans[0] > 0.0, "{ended:?}");
    }
    // Without subscribers it is timed to the acknowledgement; no message leaves before its time.
    let paced = ["--subscribers", "0", "-C", "21", "--rate", "100"];
    let ended = bench(&paced);
    assert_eq!(
        counts.map(|name| field(&ended, name)),
        [21.0, 21.0, 0.0, 0.0]
    );
    assert!(field(&ended, "/seconds") >= 0.2, "{ended:?}");
    assert!(
        ended.text().contains(r#""to":"acknowledgement""#),
        "{ended:?}"
    );
}

#[test]
fn a_run_ends_in_time_with_a_table_and_says_on_the_way_how_it_goes() {
    let server = Server::start();
    let mut bench = server.client("bench");
    let ended = run(bench.args(["-W", "1.5", "--rate", "1000", "-t", "mine"]));
    assert_eq!(ended.code, OK, "{ended:?}");
    for told in [
        "published",
        "delivered",
        "p99.9",
        "from publishing to delivery",
    ] {
        assert!(ended.text().contains(told), "{ended:?}");
    }
    assert!(ended.stderr.contains("in flight"), "{ended:?}");
}

#[test]
fn what_is_left_out_does_not_count() {
    let server = Server::start();
    for (topic, payload) in [("a/1", "one"), ("a/2", "two"), ("b/1", "three")] {
        let published = run(server
            .client("pub")
            .args(["-t", topic, "-r", "-m", payload]));
        assert_eq!(published.code, OK);
    }
    let mut subscribe = server.client("sub");
    subscribe.args(["-t", "a/#", "-t", "b/+", "-T", "a/1", "-C", "2", "-v"]);
    let printed = run(&mut subscribe);
    assert_eq!((printed.code, printed.text()), (OK, "a/2 two\nb/1 three\n"));
}

#[test]
fn a_kept_session_collects_while_nobody_is_there() {
    let server = Server::start();
    let subscribe = || {
        let mut command = server.client("sub");
        command.args(["-i", "keeper", "-c", "-q", "1", "-t", "a"]);
        command
    };
    let first = run(subscribe().args(["-W", "0.3"]));
    assert_eq!(first.code, TIMED_OUT, "{first:?}");
    let mut publish = server.client("pub");
    publish.args(["-t", "a", "-q", "1", "-l"]);
    assert_eq!(
        run_with_input(&mut publish, b"one\ntwo\nthree".to_vec()).code,
        OK
    );
    // What was not printed is not acknowledged, and stays for the next.
    let second = run(subscribe().args(["-C", "1"]));
    assert_eq!((second.code, second.text()), (OK, "one\n"), "{second:?}");
    let third = run(subscribe().args(["-C", "2"]));
    assert_eq!(
        (third.code, third.text()),
        (OK, "two\nthree\n"),
        "{third:?}"
    );
}

#[test]
fn what_a_kept_session_subscribed_to_before_is_printed_in_its_place() {
    let server = Server::start();
    let subscribe = |filters: &[&str]| {
        let mut command = server.client("sub");
        command.args(["-i", "keeper", "-c", "-q", "1"]);
        command.args(filters.iter().flat_map(|filter| ["-t", filter]));
        command
    };
    let first = run(subscribe(&["a", "b"]).args(["-W", "0.3"]));
    assert_eq!(first.code, TIMED_OUT, "{first:?}");
    for (topic, payload) in [("a", "1"), ("b", "2"), ("a", "3")] {
        let mut publish = server.client("pub");
        assert_eq!(
            run(publish.args(["-t", topic, "-q", "1", "-m", payload])).code,
            OK
        );
    }
    let second = run(subscribe(&["b"]).args(["-C", "3"]));
    assert_eq!(
        (second.code, second.text()),
        (OK, "1\n2\n3\n"),
        "{second:?}"
    );
}

#[test]
fn an_answer_is_found_by_its_correlation_data() {
    let server = Server::start();
    let responder = Client::connect(&server.url, Options::new("")).unwrap();
    let questions = responder.subscribe("ask", QoS::AtLeastOnce).unwrap();
    let request = thread::scope(|scope| {
        scope.spawn(|| {
            let question = questions.recv_timeout(LIMIT).unwrap();
            let topic = question.properties.response_topic.clone().unwrap();
            let data = question.properties.correlation_data.clone().unwrap();
            for (data, payload) in [(&b"other"[..], "wrong"), (&data, "42")] {
                let answer = responder.publish(&topic, payload).correlation_data(data);
                answer.qos(QoS::AtLeastOnce).send().unwrap();
            }
        });
        run(server.client("request").args(["-t", "ask", "-m", "6 * 7"]))
    });
    assert_eq!((request.code, request.text()), (OK, "42\n"), "{request:?}");
    let nobody = run(server
        .client("request")
        .args(["-t", "b", "-n", "-W", "0.3"]));
    assert_eq!(nobody.code, TIMED_OUT);
    assert!(nobody.stderr.contains("nobody subscribes"), "{nobody:?}");
}

#[test]
fn the_will_of_a_program_that_was_killed_is_published() {
    let server = Server::start();
    assert_eq!(
        run(server.client("pub").args(["-t", "ready", "-r", "-m", "0"])).code,
        OK
    );
    let mut subscribe = server.client("sub");
    let mut subscriber = mqtt(subscribe.args(["-v", "-C", "2", "-t", "ready", "-t", "state"]));
    assert_eq!(subscriber.line(), "ready 0");
    let mut publish = server.client("pub");
    publish.args([
        "-t",
        "a",
        "-l",
        "--will-topic",
        "state",
        "--will-payload",
        "gone",
    ]);
    publish.args(["-i", "mortal"]);
    let mut publisher = mqtt(&mut publish);
    server.wait_for("mortal on connection");
    publisher.kill();
    let printed = subscriber.finish();
    assert_eq!(
        (printed.code, printed.text()),
        (OK, "state gone\n"),
        "{printed:?}"
    );
}

#[test]
fn the_environment_says_where_the_server_is() {
    let server = Server::start_with(&["-u", "ann", "-P", "secret"]);
    let login = server.url.replace("mqtt://", "mqtt://ann:secret@");
    let mut publish = run::command(&["pub", "-t", "a", "-m", "1", "-q", "1"]);
    assert_eq!(run(publish.env("MQTT_URL", &login)).code, OK);
    let (host, port) = server.address().rsplit_once(':').unwrap();
    let mut publish = run::command(&["pub", "-t", "a", "-m", "1", "-q", "1"]);
    publish.envs([("MQTT_HOST", host), ("MQTT_PORT", port)]);
    publish.envs([("MQTT_USERNAME", "ann"), ("MQTT_PASSWORD", "secret")]);
    assert_eq!(run(&mut publish).code, OK);
    let mut publish = run::command(&["pub", "-L", &format!("{login}/a"), "-m", "1", "-q", "1"]);
    assert_eq!(run(&mut publish).code, OK);
}

#[test]
fn a_refusal_has_its_reason_code() {
    let server = Server::start_with(&["-u", "ann", "-P", "secret"]);
    let mut publish = server.client("pub");
    publish.args(["-t", "a", "-m", "1", "-u", "ann", "-P", "guess"]);
    let refused = run(&mut publish);
    assert_eq!(refused.code, REFUSED, "{refused:?}");
    assert!(refused.stderr.contains("0x86"), "{refused:?}");
}

#[test]
fn a_port_at_which_nothing_listens_is_unreachable() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("mqtt://{address}");
    let failed = run(&mut run::command(&["sub", "-L", &url, "-t", "a"]));
    assert_eq!(failed.code, UNREACHABLE, "{failed:?}");
    assert!(failed.stderr.contains(&address.to_string()), "{failed:?}");
}

#[test]
fn a_server_that_says_nothing_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtt://{}", silent.local_addr().unwrap());
    let mut publish = run::command(&["pub", "-L", &url, "-t", "a", "-m", "1"]);
    let failed = run(publish.args(["--connect-timeout", "0.2"]));
    assert_eq!(failed.code, TIMED_OUT, "{failed:?}");
}

#[test]
fn what_makes_no_sense_is_a_matter_of_usage() {
    for wrong in [
        &["pub", "-t", "a"][..],
        &["pub", "-m", "1"],
        &["sub", "-t", "a/#/b"],
        &["sub", "-t", "a", "-V", "mqttv311"],
        &["pub", "-L", "coap://localhost/a", "-m", "1"],
        &["bench", "--size", "15"],
        &["bake"],
    ] {
        let failed = run(&mut run::command(wrong));
        assert_eq!(failed.code, USAGE, "{wrong:?}: {failed:?}");
        assert!(
            !failed.stderr.is_empty() && failed.stdout.is_empty(),
            "{failed:?}"
        );
    }
}

#[test]
fn a_connection_that_does_not_come_back_is_lost() {
    for patience in ["0", "0.3"] {
        let mut server = Server::start();
        assert_eq!(
            run(server.client("pub").args(["-t", "a", "-r", "-m", "0"])).code,
            OK
        );
        let mut subscribe = server.client("sub");
        let mut subscriber = mqtt(subscribe.args(["-t", "a", "--reconnect-for", patience]));
        assert_eq!(subscriber.line(), "0");
        server.kill();
        let ended = subscriber.finish();
        assert_eq!(ended.code, LOST, "{ended:?}");
    }
}

#[test]
fn what_fails_here_is_not_the_servers_fault() {
    let server = Server::start();
    let missing = run(server
        .client("pub")
        .args(["-t", "a", "-f", "/nonesuch/file"]));
    assert_eq!(missing.code, LOCAL);
    assert!(missing.stderr.contains("/nonesuch/file"), "{missing:?}");
    let port = server.address().rsplit_once(':').unwrap().1;
    let taken = run(&mut run::command(&["broker", "-p", port]));
    assert_eq!(taken.code, LOCAL, "{taken:?}");
}

#[cfg(unix)]
#[test]
fn who_is_asked_to_end_ends_in_good_order() {
    let mut server = Server::start();
    assert_eq!(
        run(server.client("pub").args(["-t", "a", "-r", "-m", "0"])).code,
        OK
    );
    let mut subscriber = mqtt(server.client("sub").args(["-t", "a"]));
    assert_eq!(subscriber.line(), "0");
    subscriber.terminate();
    assert_eq!(subscriber.finish().code, OK);
    assert_eq!(server.terminate(), OK);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let server = Server::start();
    let mut publish = server.client("pub");
    assert_eq!(run(publish.args(["-t", "a", "-r", "-m", "0"])).code, OK);
    let mut subscriber = mqtt(server.client("sub").args(["-t", "a"]));
    assert_eq!(subscriber.line(), "0");
    subscriber.close_output();
    assert_eq!(
        run(server.client("pub").args(["-t", "a", "-m", "1"])).code,
        OK
    );
    assert_eq!(subscriber.finish().code, OK);
}

#[test]
fn completions_and_pages_are_printed() {
    let script = run(&mut run::command(&["completions", "bash"]));
    assert_eq!(script.code, OK);
    assert!(script.text().contains("--will-topic"), "{script:?}");
    let page = run(&mut run::command(&["man", "pub"]));
    assert!(page.text().contains("mqtt\\-pub"), "{page:?}");
}
