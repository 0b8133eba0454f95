"""Makes the database that is published, if it is not there yet."""

import os
import sqlite3

with sqlite3.connect(f"{os.environ['DATA_DIRECTORY']}/shop.db") as database:
    database.execute("create table if not exists products (id integer primary key, name text, price integer)")
    rows = [(1, "Käse", 3), (2, "Brot", 2), (3, "Wein", 9)]
    database.executemany("insert or replace into products values (?, ?, ?)", rows)
