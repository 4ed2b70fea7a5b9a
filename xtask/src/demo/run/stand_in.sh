#!/bin/sh
# A stand-in for the node: speaks its protocol, and misbehaves according to the file `mode` in the cluster's folder.
if [ "$1" = certs ]; then
    echo "0123456789abcdef"
    exit 0
fi
folder=$(dirname "$3")
name=$(basename "$3" .toml)
case $(cat "$folder/mode") in
dies)
    echo "no such certificate" >&2
    exit 1
    ;;
port-taken-once)
    if mkdir "$folder/second-attempt" 2>/dev/null; then
        echo "cannot listen on 127.0.0.1:7701: address in use" >&2
        exit 1
    fi
    root=same
    ;;
disagrees) root=$name ;;
*) root=same ;;
esac
echo '{"event":"listening"}'
echo "{\"event\":\"state\",\"root\":\"$root\",\"patterns\":1,\"replay_done\":true}"
while read -r request; do
    case $request in
    *'"command":"export"'*)
        path=$(echo "$request" | sed 's/.*"path":"\([^"]*\)".*/\1/')
        cp "$folder/shown" "$path"
        echo '{"event":"exported"}'
        ;;
    *'"command":"groups"'*) echo '{"event":"groups","spaces":[]}' ;;
    esac
done
