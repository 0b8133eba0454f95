# Starts an ACME server, which is installed, on the host that runs this, and a DNS that leads all names to it.
set -e
mkdir -p /pebble; cd /pebble
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=pebble -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
cp cert.pem /usr/local/share/ca-certificates/pebble.crt; update-ca-certificates >/dev/null 2>&1
cat > config.json <<'J'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "/pebble/cert.pem", "privateKey": "/pebble/key.pem", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": 7776000}}
J
systemd-run --quiet --unit dns pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" -http01 "" -https01 "" -tlsalpn01 ""
cat > /etc/systemd/system/pebble.service <<'U'
[Service]
Environment=PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0
ExecStart=pebble -config /pebble/config.json -dnsserver 127.0.0.1:8053
U
systemctl daemon-reload
systemctl start pebble
