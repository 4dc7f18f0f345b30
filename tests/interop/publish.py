#!/usr/bin/env python3
"""Publishes one CloudEvents JSON document to an exchange, and waits until the broker has it.

    pip install pika                                  (Debian: apt-get install python3-pika)
    publish.py amqp://guest:guest@localhost:5672/%2f idp logout.json
    echo '{"specversion":"1.0", …}' | publish.py amqp://localhost idp -
"""
import sys, pika

url, exchange, source = sys.argv[1:]
body = (sys.stdin.buffer if source == "-" else open(source, "rb")).read()
properties = pika.BasicProperties(content_type="application/cloudevents+json", delivery_mode=2)
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()
channel.basic_publish(exchange, "signoff.event", body, properties, mandatory=True)
connection.close()
