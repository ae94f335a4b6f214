#!/bin/sh
# A table with a UUID key is created and refuses every row.
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_TOKEN=... sh uuid-keys-refused.sh
#
# KALAM is the client (default: kalam), KALAM_TOKEN a token of root. Exit 1 when it was seen.
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
ns=kp_repro_$$
trap 'kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1' EXIT

kalam() { "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"; }

kalam "CREATE NAMESPACE $ns" >/dev/null || exit 2
kalam "CREATE TABLE $ns.sessions (session_id UUID PRIMARY KEY, user_id BIGINT) WITH (TYPE = 'USER')" >/dev/null || exit 2
kalam "INSERT INTO $ns.sessions (session_id, user_id) VALUES ('00000000-0000-0000-0000-000000000001', 1)" >/dev/null
