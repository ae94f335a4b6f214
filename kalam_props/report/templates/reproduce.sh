#!/bin/sh
# {{ anomaly.name }}
# {{ explanation }}
#
# Found by kalam-props on {{ found_on }}; reproduced in {{ seen }} of {{ runs }} runs.
{% for limit in limits %}
#
# {{ limit }}
{% endfor %}
#
#   KALAM_URL=http://127.0.0.1:8080 KALAM_PASSWORD=... sh reproduce.sh [TRIES]
#
# KALAM       the client (default: kalam; the one of kalam-props is kalam-compat)
# KALAM_URL   the server
# KALAM_USER, KALAM_PASSWORD   root, or a user of role dba; or KALAM_TOKEN, which is much quicker
# FLUSH_WAIT  seconds until a flush by row count has surely run (default 2)
{% if watched %}
# TELL_WAIT   seconds until a subscriber has surely been told of everything (default 2)
{% endif %}
{% for outage in outages %}
# KALAM_{{ outage }}  a command that {{ 'kills the server (kill -9)' if outage == 'KILL' else 'stops the server' }} and starts it again on the same data and address
{% endfor %}
#
# Tries until it sees the anomaly (exit 1) or has tried TRIES times (default 50) without (exit 0).
KALAM=${KALAM:-kalam}
URL=${KALAM_URL:-http://127.0.0.1:8080}
FLUSH_WAIT=${FLUSH_WAIT:-2}
TRIES=${1:-50}
{% if watched %}
TELL_WAIT=${TELL_WAIT:-2}
{% endif %}
{% for outage in outages %}
[ -n "$KALAM_{{ outage }}" ] || { echo "set KALAM_{{ outage }} to a command; see the top of $0" >&2; exit 2; }
{% endfor %}
OUT=$(mktemp -d) || exit 2
trap 'rm -rf "$OUT"' EXIT

kalam() {
  if [ -n "$KALAM_TOKEN" ]; then
    "$KALAM" -u "$URL" --token "$KALAM_TOKEN" --json --no-color --no-spinner -c "$1"
  else
    "$KALAM" -u "$URL" --user "${KALAM_USER:-root}" --password "$KALAM_PASSWORD" \
      --json --no-color --no-spinner -c "$1"
  fi
}

# run NUMBER SQL: the answer goes to a file, without the spaces of the pretty print.
run() {
  kalam "$2" 2>"$OUT/$1.err" | tr -d ' \n' >"$OUT/$1"
}

# setup SQL: a refusal ends the script with the server's words.
setup() {
  kalam "$1" >"$OUT/setup" 2>&1 || { cat "$OUT/setup" >&2; exit 2; }
}

{% if watched %}
# subscribe NUMBER USER TABLE LOGIN SQL: a client of its own, which goes on; returns when it is live.
subscribe() {
  if [ "$4" != - ]; then
    set -- "$1" "$2" "$3" "$5" --user "$4" --password "$secret"
  elif [ -n "$KALAM_TOKEN" ]; then
    set -- "$1" "$2" "$3" "$5" --token "$KALAM_TOKEN"
  else
    set -- "$1" "$2" "$3" "$5" --user "${KALAM_USER:-root}" --password "$KALAM_PASSWORD"
  fi
  told=$OUT/$1 subscriber=$OUT/subscriber-$2-$3-$1 watching=$4
  shift 4
  : >"$told" # there before anybody looks into it
  "$KALAM" -u "$URL" "$@" --no-color --no-spinner --subscribe "$watching" >"$told" 2>&1 &
  echo $! >"$subscriber"
  waited=0
  until grep -q SUBSCRIBED "$told"; do
    waited=$((waited + 1))
    if [ "$waited" -gt 300 ] || ! kill -0 "$(cat "$subscriber")" 2>/dev/null; then
      echo "the subscription was not acknowledged: $(cat "$told")" >&2
      return
    fi
    sleep 0.1
  done
}

# unsubscribe USER TABLE (none: everybody)
unsubscribe() {
  for subscriber in "$OUT"/subscriber-${1:-*}-${2:-*}-*; do
    [ -f "$subscriber" ] || continue
    kill "$(cat "$subscriber")" 2>/dev/null
    rm -f "$subscriber"
  done
}

# told NUMBER KIND TEXT: the lines, with their numbers, that told a subscriber of a change.
told() {
  grep -nF -e "$3" "$OUT/$1" | grep -F "] $2 [" | cut -d: -f1
}

{% endif %}
{% if outages %}
# outage NAME: the command of that name; returns when the server answers again.
outage() {
  eval "sh -c \"\$$1\"" >"$OUT/outage" 2>&1 || { cat "$OUT/outage" >&2; exit 2; }
  waited=0
  until kalam "SELECT 1" >"$OUT/outage" 2>&1; do
    waited=$((waited + 1))
    [ "$waited" -le 300 ] || { cat "$OUT/outage" >&2; exit 2; }
    sleep 0.1
  done
}

{% endif %}
ns=kp_repro_$$_$(date +%s)
setup "CREATE NAMESPACE $ns"
{% for namespace in namespaces %}
setup "CREATE NAMESPACE {{ namespace }}"
{% endfor %}
clean() {
{% if watched %}
  unsubscribe
{% endif %}
  kalam "DROP NAMESPACE $ns CASCADE" >/dev/null 2>&1
{% for namespace in namespaces %}
  kalam "DROP NAMESPACE {{ namespace }} CASCADE" >/dev/null 2>&1
{% endfor %}
{% for user in subscribers %}
  kalam "DROP USER '${ns}_{{ user }}'" >/dev/null 2>&1
{% endfor %}
  rm -rf "$OUT"
}
trap clean EXIT
trap 'exit 130' INT TERM
{% if subscribers %}
# Who subscribes logs in; role dba, because some clients let in nobody else.
secret=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
{% for user in subscribers %}
setup "CREATE USER '${ns}_{{ user }}' WITH PASSWORD '$secret' ROLE dba"
{% endfor %}
{% endif %}

try=0
while [ "$try" -lt "$TRIES" ]; do
  try=$((try + 1))
{% for create in creates %}
  setup {{ create }}
{% endfor %}
{% for lanes in blocks %}

{% if lanes | length == 1 %}
{% for line in lanes[0] %}
  {{ line.command }}   # {{ line.comment }}
{% endfor %}
{% else %}
  lanes=
{% for lane in lanes %}
  (
{% for line in lane %}
    {{ line.command }}   # {{ line.comment }}
{% endfor %}
  ) &
  lanes="$lanes $!"
{% endfor %}
  wait $lanes
{% endif %}
{% endfor %}

{% if watched %}
  sleep "$TELL_WAIT"
  unsubscribe
{% endif %}
  seen=
{% if look is none %}
  echo "try $try: text cannot tell this anomaly; the answers:"; head -c 2000 "$OUT"/[0-9]*
{% elif look.how in ('missed', 'foreign', 'repeated', 'overtaken') %}
{% set first = look.changes[0] %}
  lines=$(told {{ look.operation }} {{ first.kind }} {{ quote(first.text) }})
{% if look.how == 'missed' %}
  grep -q SUBSCRIBED "$OUT/{{ look.operation }}" && [ -z "$lines" ] && seen=yes
{% elif look.how == 'foreign' %}
  [ -n "$lines" ] && seen=yes
{% elif look.how == 'repeated' %}
  [ "$(echo "$lines" | grep -c .)" -gt {{ look.than }} ] && seen=yes
{% else %}
{% set second = look.changes[1] %}
  first=$(echo "$lines" | head -n 1)
  second=$(told {{ look.operation }} {{ second.kind }} {{ quote(second.text) }} | head -n 1)
  [ -n "$first" ] && [ -n "$second" ] && [ "$second" -lt "$first" ] && seen=yes
{% endif %}
{% elif look.how == 'absent' %}
  grep -qF {% for text in look.texts %}-e {{ quote(text) }} {% endfor %} "$OUT/{{ look.operation }}" || { [ -s "$OUT/{{ look.operation }}" ] && seen=yes; }
{% elif look.how == 'present' %}
  grep -qF {% for text in look.texts %}-e {{ quote(text) }} {% endfor %} "$OUT/{{ look.operation }}" && seen=yes
{% elif look.how == 'twice' %}
  [ "$(grep -oF {% for text in look.texts %}-e {{ quote(text) }} {% endfor %} "$OUT/{{ look.operation }}" | wc -l)" -gt 1 ] && seen=yes
{% elif look.how == 'count' %}
  counted=$(grep -o '"rows":\[\["[0-9]*"\]\]' "$OUT/{{ look.operation }}" | tr -dc 0-9)
  scanned=$(grep -o '"row_count":[0-9]*' "$OUT/{{ look.than }}" | tr -dc 0-9)
  [ -n "$counted" ] && [ -n "$scanned" ] && [ "$counted" != "$scanned" ] && seen=yes
{% endif %}
{% for name in tables %}
  kalam "DROP TABLE {{ name }}" >/dev/null 2>&1
{% endfor %}
  if [ -n "$seen" ]; then
    echo "saw {{ anomaly.name }} at try $try"
{% if look is not none %}
    echo "the answer that shows it:"; cat "$OUT/{{ look.operation }}"; echo
{% endif %}
    exit 1
  fi
done
echo "did not see {{ anomaly.name }} in $TRIES tries"
