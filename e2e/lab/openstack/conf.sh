# Writes all configuration files under $ETC. Sourced by up.sh.
dburl() { # NAME
  # MariaDB only: the migrations of Neutron and Octavia cannot run on SQLite (ALTER of constraints)
  echo "mysql+pymysql://$1:$LAB_PASSWORD@$OSLAB_ADDR:$PORT_DB/$1?charset=utf8"
}
if [ "$OSLAB_MQ" = rabbit ]; then MQURL="rabbit://guest:guest@$OSLAB_ADDR:$PORT_MQ/"; else MQURL="fake:///"; fi

authtoken() { # SECTION USER
  cat <<X
[$1]
www_authenticate_uri = $KS
auth_url = $KS
auth_type = password
username = $2
password = $LAB_PASSWORD
user_domain_name = Default
project_domain_name = Default
project_name = service
region_name = $REGION
X
}

write_conf() {
  local k l3=router mech=openvswitch tenant=vxlan
  [ "$OSLAB_OVN" = 1 ] && { l3=ovn-router; mech=ovn; tenant=geneve; }
  mkdir -p "$ETC" "$HOME/.barbican" "$OSLAB_STATE/lock"
  # ---- MariaDB
  cat >"$ETC/my.cnf" <<X
[mysqld]
datadir=$OSLAB_STATE/mysql
socket=$OSLAB_STATE/run/mysql.sock
pid-file=$OSLAB_STATE/mysql.pid
bind-address=$OSLAB_ADDR
port=$PORT_DB
user=$(id -un)
skip-log-bin
skip-name-resolve
character-set-server=utf8mb3
collation-server=utf8mb3_general_ci
max_connections=500
performance_schema=off
# a laboratory database: durability is traded for speed
innodb_flush_log_at_trx_commit=0
innodb_flush_method=nosync
innodb_doublewrite=0
innodb_buffer_pool_size=256M
innodb_log_file_size=64M
X
  # ---- RabbitMQ
  cat >"$ETC/rabbitmq.conf" <<X
listeners.tcp.1 = $OSLAB_ADDR:$PORT_MQ
loopback_users = none
log.file = false
log.console = true
log.console.level = warning
disk_free_limit.absolute = 50MB
X
  echo '[].' >"$ETC/rabbit_plugins"
  # ---- Keystone
  cat >"$ETC/keystone.conf" <<X
[DEFAULT]
debug = $OSLAB_DEBUG
[database]
connection = $(dburl keystone)
[token]
provider = fernet
expiration = 14400
[fernet_tokens]
key_repository = $OSLAB_STATE/fernet/tokens
[fernet_receipts]
key_repository = $OSLAB_STATE/fernet/tokens
[credential]
key_repository = $OSLAB_STATE/fernet/credentials
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
X
  mkdir -p "$OSLAB_STATE/fernet/tokens" "$OSLAB_STATE/fernet/credentials"
  chmod 700 "$OSLAB_STATE"/fernet/*
  for k in tokens/0 tokens/1 credentials/0 credentials/1; do
    [ -s "$OSLAB_STATE/fernet/$k" ] || openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' >"$OSLAB_STATE/fernet/$k"
  done
  # ---- Neutron
  cat >"$ETC/neutron.conf" <<X
[DEFAULT]
debug = $OSLAB_DEBUG
bind_host = $OSLAB_ADDR
bind_port = $PORT_NEUTRON
api_paste_config = $ETC/neutron-paste.ini
core_plugin = ml2
service_plugins = $l3,qos,trunk$([ "$OSLAB_OVN" = 1 ] || echo ,port_forwarding)
transport_url = fake:///
# ML2/OVN initialises itself in a forked API process only
api_workers = $OSLAB_OVN
rpc_workers = 0
rpc_state_report_workers = 0
allow_overlapping_ips = true
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
state_path = $OSLAB_STATE/neutron
[database]
connection = $(dburl neutron)
[oslo_concurrency]
lock_path = $OSLAB_STATE/lock
[quotas]
default_quota = -1
quota_network = -1
quota_subnet = -1
quota_port = -1
quota_router = -1
quota_floatingip = -1
quota_security_group = -1
quota_security_group_rule = -1
$(authtoken keystone_authtoken neutron)
X
  cat >"$ETC/ml2.ini" <<X
[ml2]
type_drivers = flat,vlan,vxlan,geneve,local
tenant_network_types = $tenant
mechanism_drivers = $mech
extension_drivers = port_security,qos
[ml2_type_flat]
flat_networks = *
[ml2_type_vxlan]
vni_ranges = 1:10000
[ml2_type_geneve]
vni_ranges = 1:10000
max_header_size = 38
[ovn]
ovn_nb_connection = tcp:$OSLAB_ADDR:$PORT_OVNNB
ovn_sb_connection = tcp:$OSLAB_ADDR:$PORT_OVNSB
ovn_l3_scheduler = leastloaded
ovn_metadata_enabled = false
[ovs]
ovsdb_connection_timeout = 20
[securitygroup]
enable_security_group = true
X
  cat >"$ETC/neutron-paste.ini" <<X
[composite:neutron]
use = egg:Paste#urlmap
/: neutronversions_composite
/healthcheck: healthcheck
/v2.0: neutronapi_v2_0
[composite:neutronapi_v2_0]
use = call:neutron.auth:pipeline_factory
noauth = cors http_proxy_to_wsgi request_id fake_project_id catch_errors extensions neutronapiapp_v2_0
keystone = cors http_proxy_to_wsgi request_id catch_errors authtoken keystonecontext extensions neutronapiapp_v2_0
[composite:neutronversions_composite]
use = call:neutron.auth:pipeline_factory
noauth = cors http_proxy_to_wsgi neutronversions
keystone = cors http_proxy_to_wsgi neutronversions
[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory
[filter:catch_errors]
paste.filter_factory = oslo_middleware:CatchErrors.factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = neutron
[filter:fake_project_id]
paste.filter_factory = neutron.auth:NoauthFakeProjectId.factory
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory
[filter:keystonecontext]
paste.filter_factory = neutron.auth:NeutronKeystoneContext.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
[filter:extensions]
paste.filter_factory = neutron.api.extensions:plugin_aware_extension_middleware_factory
[app:neutronversions]
paste.app_factory = neutron.pecan_wsgi.app:versions_factory
[app:neutronapiapp_v2_0]
paste.app_factory = neutron.api.v2.router:APIRouter.factory
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = disable_by_file
disable_by_file_path = $ETC/healthcheck_disable
X
  # ---- Barbican
  [ -s "$ETC/kek" ] || openssl rand -base64 32 | tr '+/' '-_' | tr -d '\n' >"$ETC/kek"
  cat >"$HOME/.barbican/barbican.conf" <<X
[DEFAULT]
debug = $OSLAB_DEBUG
sql_connection = $(dburl barbican)
db_auto_create = false
host_href = http://$OSLAB_ADDR:$PORT_BARBICAN
transport_url = fake:///
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = '$(cat "$ETC/kek")'
[queue]
enable = false
$(authtoken keystone_authtoken barbican)
X
  cat >"$ETC/barbican-api-paste.ini" <<X
[composite:main]
use = egg:Paste#urlmap
/: barbican_version
/healthcheck: healthcheck
/v1: barbican-api-keystone
[pipeline:barbican_version]
pipeline = cors http_proxy_to_wsgi microversion versionapp
[pipeline:barbican-api-keystone]
pipeline = cors http_proxy_to_wsgi authtoken context microversion apiapp
[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app
[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app
[filter:context]
paste.filter_factory = barbican.api.middleware.context:ContextMiddleware.factory
[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = barbican
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
backends = disable_by_file
disable_by_file_path = $ETC/healthcheck_disable
X
}

write_certs() {
  local d="$OSLAB_STATE/certs"
  [ -s "$d/client.cert-and-key.pem" ] && return 0
  mkdir -p "$d"; chmod 700 "$d"
  ( cd "$d"
    # server CA signs the amphora agents' certificates, client CA the controller's
    openssl req -x509 -newkey rsa:2048 -sha256 -days 3650 -subj "/CN=oslab server CA" \
      -passout "pass:$LAB_PASSWORD" -keyout server_ca.key -out server_ca.pem
    openssl req -x509 -newkey rsa:2048 -sha256 -days 3650 -nodes -subj "/CN=oslab client CA" \
      -keyout client_ca.key -out client_ca.pem
    openssl req -newkey rsa:2048 -nodes -subj "/CN=oslab controller" -keyout client.key -out client.csr
    openssl x509 -req -in client.csr -CA client_ca.pem -CAkey client_ca.key -CAcreateserial \
      -days 3650 -sha256 -out client.pem
    cat client.pem client.key >client.cert-and-key.pem
  ) >"$LOG/certs.log" 2>&1 || die "certificates, see $LOG/certs.log"
}

write_octavia_conf() { # MGMT_NET_ID MGMT_SG_ID
  local amphora=amphora_lab_driver
  [ "$OSLAB_MODE" = amphora ] && amphora=amphora_haproxy_rest_driver
  cat >"$ETC/octavia.conf" <<X
[DEFAULT]
debug = $OSLAB_DEBUG
transport_url = $MQURL
host = oslab
[api_settings]
bind_host = $OSLAB_ADDR
bind_port = $PORT_OCTAVIA
auth_strategy = keystone
healthcheck_enabled = True
allow_tls_terminated_listeners = True
allow_ping_health_monitors = True
allow_prometheus_listeners = True
enabled_provider_drivers = amphora:Octavia amphora driver,octavia:alias of amphora,noop_driver:Octavia no-op provider$([ "$OSLAB_OVN" = 1 ] && echo ",ovn:OVN provider")
default_provider_driver = amphora
[database]
connection = $(dburl octavia)
[oslo_messaging]
topic = octavia_prov
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
rabbit_retry_interval = 1
[oslo_concurrency]
lock_path = $OSLAB_STATE/lock
[task_flow]
engine = parallel
max_workers = 5
[controller_worker]
workers = 1
amphora_driver = $amphora
compute_driver = compute_lab_driver
network_driver = allowed_address_pairs_driver
image_driver = image_noop_driver
volume_driver = volume_noop_driver
amp_flavor_id = oslab
amp_image_tag = amphora
amp_boot_network_list = $1
amp_secgroup_list = $2
amp_active_retries = 30
amp_active_wait_sec = 1
loadbalancer_topology = $OSLAB_TOPOLOGY
client_ca = $OSLAB_STATE/certs/client_ca.pem
[networking]
max_retries = 10
retry_interval = 1
port_detach_timeout = 10
[certificates]
cert_generator = local_cert_generator
cert_manager = barbican_cert_manager
barbican_auth = barbican_acl_auth
ca_certificate = $OSLAB_STATE/certs/server_ca.pem
ca_private_key = $OSLAB_STATE/certs/server_ca.key
ca_private_key_passphrase = $LAB_PASSWORD
server_certs_key_passphrase = oslab-insecure-32-char-passphras
[haproxy_amphora]
client_cert = $OSLAB_STATE/certs/client.cert-and-key.pem
server_ca = $OSLAB_STATE/certs/server_ca.pem
bind_port = 9443
# HAProxy must be able to raise its file limit to 2.5 times the sum over the listeners
default_connection_limit = ${OSLAB_CONN_LIMIT:-1000}
connection_max_retries = 60
connection_retry_interval = 1
active_connection_max_retries = 15
active_connection_retry_interval = 1
rest_request_conn_timeout = 5
rest_request_read_timeout = 30
[keepalived_vrrp]
vrrp_advert_int = 1
vrrp_check_interval = 2
vrrp_fail_count = 2
vrrp_success_count = 2
[health_manager]
bind_ip = ${OSLAB_HM_IP:-$OSLAB_ADDR}
bind_port = $PORT_HEALTH
controller_ip_port_list = ${OSLAB_HM_IP:-$OSLAB_ADDR}:$PORT_HEALTH
heartbeat_key = $LAB_PASSWORD
heartbeat_interval = ${OSLAB_HEARTBEAT_INTERVAL:-2}
heartbeat_timeout = ${OSLAB_HEARTBEAT_TIMEOUT:-30}
health_check_interval = 3
health_update_threads = 1
stats_update_threads = 1
failover_threads = 2
[house_keeping]
load_balancer_expiry_age = 3600
amphora_expiry_age = 3600
[driver_agent]
status_socket_path = $OSLAB_STATE/run/octavia-status.sock
stats_socket_path = $OSLAB_STATE/run/octavia-stats.sock
get_socket_path = $OSLAB_STATE/run/octavia-get.sock
$([ "$OSLAB_OVN" = 1 ] && printf 'enabled_provider_agents = ovn\n[ovn]\novn_nb_connection = tcp:%s:%s\novn_sb_connection = tcp:%s:%s\n' "$OSLAB_ADDR" "$PORT_OVNNB" "$OSLAB_ADDR" "$PORT_OVNSB")
[nova]
enable_anti_affinity = False
[neutron]
region_name = $REGION
endpoint_override = http://$OSLAB_ADDR:$PORT_NEUTRON
[quotas]
$(for q in load_balancer listener member pool health_monitor l7policy l7rule; do echo "default_${q}_quota = -1"; done)
$(authtoken keystone_authtoken octavia)
$(authtoken service_auth octavia)
X
}
