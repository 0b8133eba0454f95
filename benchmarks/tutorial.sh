# What a good tutorial says to type on a bare Debian 12, from nothing to "Hello, World!".
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq nginx python3-venv python3-dev build-essential >/dev/null

mkdir -p /srv/tutorial
cd /srv/tutorial
python3 -m venv venv
venv/bin/pip install --quiet flask uwsgi

cat > main.py <<'END'
from flask import Flask

application = Flask(__name__)


@application.route("/")
def hello():
    return "Hello, World!"
END

cat > uwsgi.ini <<'END'
[uwsgi]
module = main:application
master = true
processes = 2
socket = 0.0.0.0:9000
vacuum = true
die-on-term = true
END

cat > /etc/systemd/system/tutorial.service <<'END'
[Unit]
After=network.target

[Service]
User=www-data
Group=www-data
WorkingDirectory=/srv/tutorial
ExecStart=/srv/tutorial/venv/bin/uwsgi --ini uwsgi.ini

[Install]
WantedBy=multi-user.target
END

cat > /etc/nginx/sites-available/tutorial <<'END'
upstream tutorial {
    least_conn;
    server localhost:9000;
}

server {
    listen 80;
    server_name tutorial.example.com;

    location / {
        include uwsgi_params;
        uwsgi_pass tutorial;
    }
}
END
ln -s /etc/nginx/sites-available/tutorial /etc/nginx/sites-enabled/tutorial
systemctl enable --quiet --now tutorial
systemctl reload nginx
