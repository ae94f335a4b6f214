#!/bin/sh
# Two increments of one row at once, of which one is lost; WHAT=delete: two deletes that both say that they did it.
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_TOKEN=... sh concurrent-increments-lose-one.sh [TRIES]
#
# KALAM is the client (default: kalam), KALAM_TOKEN a token of root. Exit 1 when it was seen.
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
TRIES=${1:-100}
WHAT=${WHAT:-increment}
ns=kp_repro_$$
OUT=$(mktemp -d) || exit 2
trap 'kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1; rm -rf "$OUT"' EXIT

kalam() { "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"; }
done_to() { kalam "$1" | grep -c '"row_count": 1'; }

kalam "CREATE NAMESPACE $ns" >/dev/null || exit 2
kalam "CREATE TABLE $ns.t (id BIGINT PRIMARY KEY, n BIGINT) WITH (TYPE = 'USER')" >/dev/null || exit 2
try=0 seen=0
while [ "$try" -lt "$TRIES" ]; do
  try=$((try + 1))
  kalam "INSERT INTO $ns.t (id, n) VALUES ($try, 0)" >/dev/null || exit 2
  case $WHAT in
    increment) change="UPDATE $ns.t SET n = n + 1 WHERE id = $try" ;;
    *) change="DELETE FROM $ns.t WHERE id = $try" ;;
  esac
  done_to "$change" >"$OUT/one" &
  done_to "$change" >"$OUT/two"
  wait
  [ "$(cat "$OUT/one" "$OUT/two" | tr -d '\n')" = 11 ] || continue
  case $WHAT in
    increment) kalam "SELECT n FROM $ns.t WHERE id = $try" | grep '"1"' >/dev/null || continue ;;
  esac
  seen=$((seen + 1))
done
echo "$WHAT: seen in $seen of $TRIES tries"
[ "$seen" -eq 0 ]
