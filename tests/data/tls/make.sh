#!/bin/sh
# Makes the certificates that README.md describes.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/config" <<END
[ca]
default_ca = any
[any]
database = $work/index
new_certs_dir = $work
default_md = sha256
policy = names
rand_serial = yes
[names]
commonName = supplied
END
: >"$work/index"
echo unique_subject=no >"$work/index.attr"

# issue NAME AUTHORITY COMMON-NAME EXTENSIONS: a key, and a certificate that the authority signs.
issue() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$3" \
        -keyout "$1.key" -out "$work/request"
    printf '%b' "$4" >"$work/extensions"
    # An authority signs its own certificate.
    if [ "$1" = "$2" ]; then signer="-selfsign"; else signer="-cert $2.pem"; fi
    openssl ca -batch -notext -config "$work/config" -keyfile "$2.key" $signer \
        -startdate 20200101000000Z -enddate 21200101000000Z \
        -extfile "$work/extensions" -in "$work/request" -out "$1.pem"
}

leaf="basicConstraints=critical,CA:false\n"
for by in authority stranger; do
    issue "$by" "$by" "test $by" "basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n"
    issue "$by-server" "$by" "test server" "$leaf""extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1,DNS:service.test\n"
    issue "$by-client" "$by" "test client" "$leaf""extendedKeyUsage=clientAuth\nsubjectAltName=DNS:client.test\n"
    rm "$by.key"
done
