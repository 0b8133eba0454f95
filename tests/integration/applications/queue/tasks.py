"""Jobs for a worker of Celery. Each leaves in Redis that it ran, so that none can be lost or repeated unseen."""

import os
import time

from celery import Celery
from redis import Redis

BROKER = os.environ["BROKER_URL"]

# How often each job ran, by its number.
RUNS = "runs"

app = Celery("tasks", broker=BROKER)
app.conf.update(
    # A job counts as taken when it is done, not when it begins: one that is cut comes back.
    task_acks_late=True,
    # Also when only the process that does it is cut, by the kernel for want of memory for instance.
    task_reject_on_worker_lost=True,
    # Each process holds one job more than it does, and not four: fewer to give back, and fewer to be done twice.
    worker_prefetch_multiplier=1,
    # What a worker that was killed had taken comes back after so many seconds. No job may take longer.
    broker_transport_options={"visibility_timeout": int(os.environ.get("VISIBILITY_TIMEOUT", "3600"))},
    # Nobody asks for results.
    task_ignore_result=True,
    # A worker may start before Redis; without this, Celery warns of it.
    broker_connection_retry_on_startup=True,
)
redis = Redis.from_url(BROKER)


@app.task
def job(number: int) -> None:
    """Do something short."""
    time.sleep(0.05)
    redis.hincrby(RUNS, str(number), 1)


@app.task
def slow(number: int) -> None:
    """Do something that takes longer than a switch."""
    redis.hsetnx("begun", str(number), time.time())
    time.sleep(5)
    redis.hset("ended", str(number), time.time())
    redis.hincrby(RUNS, str(number), 1)
