"""Idempotent set-up of the lab's identities, catalogue and networks over the REST APIs.

Without arguments: Keystone and Neutron (octavia-api is not running yet).
With --octavia: the Octavia flavours.
"""
import json
import os
import sys

import requests

ADDR = os.environ['OSLAB_ADDR']
STATE = os.environ['OSLAB_STATE']
PW = os.environ['LAB_PASSWORD']
REGION = os.environ['REGION']
KS = 'http://%s:%s/v3' % (ADDR, os.environ['PORT_KEYSTONE'])
NEUTRON = 'http://%s:%s' % (ADDR, os.environ['PORT_NEUTRON'])
OCTAVIA = 'http://%s:%s' % (ADDR, os.environ['PORT_OCTAVIA'])
BARBICAN = 'http://%s:%s' % (ADDR, os.environ['PORT_BARBICAN'])
S = requests.Session()


def call(method, url, body=None, ok=(200, 201, 202, 204)):
    r = S.request(method, url, json=body, timeout=60)
    if r.status_code not in ok:
        raise SystemExit('%s %s -> %s %s\n%s' % (method, url, r.status_code, r.text, body))
    return r.json() if r.text else {}


def token(user, project):
    r = requests.post(KS + '/auth/tokens', timeout=60, json={'auth': {
        'identity': {'methods': ['password'], 'password': {'user': {
            'name': user, 'domain': {'id': 'default'}, 'password': PW}}},
        'scope': {'project': {'name': project, 'domain': {'id': 'default'}}}}})
    r.raise_for_status()
    return r.headers['X-Subject-Token'], r.json()['token']


def ensure(base, kind, name, body=None, query='', coll=None, plural=None):
    """Find KIND by name below BASE, else create it."""
    plural = plural or kind + 's'
    found = [o for o in call('GET', '%s/%s?name=%s%s' % (base, coll or plural, name, query))[plural]
             if o['name'] == name]
    if found:
        return found[0]
    new = dict(body or {}, name=name)
    return call('POST', '%s/%s' % (base, coll or plural), {kind: new})[kind]


tok, tinfo = token('admin', 'admin')
S.headers['X-Auth-Token'] = tok


def identity():
    ids = {}
    for p in ('service', 'k8s', 'other'):
        ids[p] = ensure(KS, 'project', p, {'domain_id': 'default'})['id']
    roles = {r['name']: r['id'] for r in call('GET', KS + '/roles')['roles']}
    for r in ('member', 'reader', 'service', 'creator', 'load-balancer_member',
              'load-balancer_observer', 'load-balancer_admin', 'load-balancer_global_observer',
              'load-balancer_quota_admin'):
        if r not in roles:
            roles[r] = call('POST', KS + '/roles', {'role': {'name': r}})['role']['id']
    users = {
        'neutron': [('service', ['admin', 'service'])],
        'octavia': [('service', ['admin', 'service', 'creator'])],
        'barbican': [('service', ['admin', 'service'])],
        'exposer': [('k8s', ['member', 'reader', 'load-balancer_member', 'creator'])],
        'other': [('other', ['member', 'reader', 'load-balancer_member', 'creator'])],
        'observer': [('k8s', ['reader', 'load-balancer_observer'])],
        'norole': [('k8s', ['member', 'reader'])],
    }
    for u, grants in users.items():
        uid = ensure(KS, 'user', u, {'domain_id': 'default', 'password': PW})['id']
        ids['user_' + u] = uid
        for project, names in grants:
            for n in names:
                call('PUT', '%s/projects/%s/users/%s/roles/%s' % (KS, ids[project], uid, roles[n]))
    # the admin of the lab also holds Octavia's admin role
    call('PUT', '%s/projects/%s/users/%s/roles/%s' % (
        KS, tinfo['project']['id'], tinfo['user']['id'], roles['load-balancer_admin']))
    for name, kind, url in (('keystone', 'identity', KS), ('neutron', 'network', NEUTRON),
                            ('octavia', 'load-balancer', OCTAVIA), ('barbican', 'key-manager', BARBICAN)):
        if kind == 'key-manager' and os.environ['OSLAB_BARBICAN'] != '1':
            continue
        sid = ensure(KS, 'service', name, {'type': kind})['id']
        have = {e['interface']: e for e in
                call('GET', '%s/endpoints?service_id=%s' % (KS, sid))['endpoints']}
        for iface in ('public', 'internal', 'admin'):
            if iface not in have:
                call('POST', KS + '/endpoints', {'endpoint': {
                    'service_id': sid, 'interface': iface, 'url': url, 'region_id': REGION}})
            elif have[iface]['url'] != url:
                call('PATCH', '%s/endpoints/%s' % (KS, have[iface]['id']), {'endpoint': {'url': url}})
    return ids


def app_credential(uid):
    """An application credential with a fixed secret for user exposer (created as that user)."""
    t, _ = token('exposer', 'k8s')
    h = {'X-Auth-Token': t}
    url = '%s/users/%s/application_credentials' % (KS, uid)
    for a in requests.get(url, headers=h, timeout=60).json()['application_credentials']:
        if a['name'] == 'exposer-ac':
            return a['id']
    r = requests.post(url, headers=h, timeout=60, json={'application_credential': {
        'name': 'exposer-ac', 'secret': PW + '-ac-secret'}})
    r.raise_for_status()
    return r.json()['application_credential']['id']


def networks(ids):
    n = NEUTRON + '/v2.0'
    out = {}

    def net(name, cidrs, project, **kw):
        o = ensure(n, 'network', name, dict(project_id=project, **kw))
        subs = {}
        for sname, cidr, extra in cidrs:
            body = {'network_id': o['id'], 'cidr': cidr, 'ip_version': 6 if ':' in cidr else 4,
                    'project_id': project}
            body.update(extra)
            subs[sname] = ensure(n, 'subnet', sname, body, '&network_id=' + o['id'])['id']
        return o['id'], subs

    out['MGMT_NET_ID'], s = net('lb-mgmt', [('lb-mgmt-v4', '172.30.0.0/22', {
        'gateway_ip': None,
        'allocation_pools': [{'start': '172.30.0.10', 'end': '172.30.3.250'}]})], ids['service'])
    out['MGMT_SUBNET_ID'] = s['lb-mgmt-v4']
    sg = ensure(n, 'security_group', 'lb-mgmt-sg', {'project_id': ids['service']},
                coll='security-groups')
    out['MGMT_SG_ID'] = sg['id']
    if not any(r.get('port_range_min') == 9443 for r in sg['security_group_rules']):
        call('POST', n + '/security-group-rules', {'security_group_rule': {
            'security_group_id': sg['id'], 'direction': 'ingress', 'protocol': 'tcp',
            'port_range_min': 9443, 'port_range_max': 9443}})
    with open(STATE + '/mgmt.env.tmp', 'w', encoding='utf-8') as f:   # the Octavia worker waits for it
        f.write('MGMT_NET_ID=%s\nMGMT_SG_ID=%s\n' % (out['MGMT_NET_ID'], out['MGMT_SG_ID']))
    os.replace(STATE + '/mgmt.env.tmp', STATE + '/mgmt.env')
    out['PUBLIC_NET_ID'], s = net(
        'public', [('public-v4', '203.0.113.0/24', {
            'enable_dhcp': False, 'gateway_ip': '203.0.113.1',
            'allocation_pools': [{'start': '203.0.113.10', 'end': '203.0.113.250'}]})],
        ids['service'], **{'router:external': True, 'provider:network_type': 'flat',
                           'provider:physical_network': 'physnet1'})
    out['PUBLIC_SUBNET_ID'] = s['public-v4']
    for project, prefix, v4, v6 in (('k8s', 'k8s', '10.20.0.0/24', 'fd20::/64'),
                                    ('other', 'other', '10.30.0.0/24', None)):
        subs = [(prefix + '-v4', v4, {})]
        if v6:
            # stateful: with SLAAC Neutron would add an IPv6 address to every IPv4 VIP port
            subs.append((prefix + '-v6', v6, {'ipv6_address_mode': 'dhcpv6-stateful',
                                              'ipv6_ra_mode': 'dhcpv6-stateful'}))
        nid, s = net(prefix + '-net', subs, ids[project])
        out[prefix.upper() + '_NET_ID'] = nid
        out[prefix.upper() + '_SUBNET_ID'] = s[prefix + '-v4']
        if v6:
            out[prefix.upper() + '_SUBNET6_ID'] = s[prefix + '-v6']
        r = ensure(n, 'router', prefix + '-router', {
            'project_id': ids[project],
            'external_gateway_info': {'network_id': out['PUBLIC_NET_ID']}})
        ports = call('GET', '%s/ports?device_id=%s' % (n, r['id']))['ports']
        have = {f['subnet_id'] for p in ports for f in p['fixed_ips']}
        for sid in s.values():
            if sid not in have:
                call('PUT', '%s/routers/%s/add_router_interface' % (n, r['id']), {'subnet_id': sid})
        out[prefix.upper() + '_ROUTER_ID'] = r['id']
    # a subnet for VIPs apart from the nodes' one, and one for additional VIPs on the same network
    nid, s = net('k8s-vip-net', [('k8s-vip-v4', '10.21.0.0/24', {}),
                                 ('k8s-vip-v4b', '10.22.0.0/24', {})], ids['k8s'])
    out['K8S_VIP_NET_ID'] = nid
    out['K8S_VIP_SUBNET_ID'], out['K8S_VIP_SUBNET_B_ID'] = s['k8s-vip-v4'], s['k8s-vip-v4b']
    ports = call('GET', '%s/ports?device_id=%s' % (n, out['K8S_ROUTER_ID']))['ports']
    have = {f['subnet_id'] for p in ports for f in p['fixed_ips']}
    for sid in s.values():
        if sid not in have:
            call('PUT', '%s/routers/%s/add_router_interface' % (n, out['K8S_ROUTER_ID']),
                 {'subnet_id': sid})
    return out


def write(ids, nets):
    info = {
        'auth_url': KS, 'region': REGION, 'password': PW,
        'endpoints': {'identity': KS, 'network': NEUTRON, 'load-balancer': OCTAVIA,
                      'key-manager': BARBICAN},
        'projects': {p: ids[p] for p in ('service', 'k8s', 'other')},
        'users': {k[5:]: v for k, v in ids.items() if k.startswith('user_')},
        'application_credential': {'id': nets.pop('AC_ID'), 'secret': PW + '-ac-secret'},
        'ids': nets,
    }
    with open(STATE + '/lab.json', 'w', encoding='utf-8') as f:
        json.dump(info, f, indent=1)
    with open(STATE + '/lab.env', 'w', encoding='utf-8') as f:
        for k, v in nets.items():
            f.write('%s=%s\n' % (k, v))
        f.write('APPCRED_ID=%s\nAPPCRED_SECRET=%s\n' % (
            info['application_credential']['id'], info['application_credential']['secret']))

    def cloud(name, user, project):
        return ('  %s:\n    region_name: %s\n    identity_api_version: 3\n    auth:\n'
                '      auth_url: %s\n      username: %s\n      password: %s\n'
                '      project_name: %s\n      user_domain_name: Default\n'
                '      project_domain_name: Default\n' % (name, REGION, KS, user, PW, project))
    with open(STATE + '/clouds.yaml', 'w', encoding='utf-8') as f:
        f.write('clouds:\n')
        f.write(cloud('oslab', 'exposer', 'k8s'))
        f.write(cloud('oslab-other', 'other', 'other'))
        f.write(cloud('oslab-observer', 'observer', 'k8s'))
        f.write(cloud('oslab-norole', 'norole', 'k8s'))
        f.write(cloud('oslab-admin', 'admin', 'admin'))
        f.write('  oslab-appcred:\n    region_name: %s\n    identity_api_version: 3\n'
                '    auth_type: v3applicationcredential\n    auth:\n      auth_url: %s\n'
                '      application_credential_id: %s\n      application_credential_secret: %s\n' % (
                    REGION, KS, info['application_credential']['id'],
                    info['application_credential']['secret']))
    with open(STATE + '/openrc', 'w', encoding='utf-8') as f:
        for k, v in (('AUTH_URL', KS), ('USERNAME', 'exposer'), ('PASSWORD', PW),
                     ('PROJECT_NAME', 'k8s'), ('USER_DOMAIN_NAME', 'Default'),
                     ('PROJECT_DOMAIN_NAME', 'Default'), ('REGION_NAME', REGION),
                     ('IDENTITY_API_VERSION', '3')):
            f.write('export OS_%s=%s\n' % (k, v))


def add_id(name, value):
    with open(STATE + '/lab.env', 'a', encoding='utf-8') as f:
        f.write('%s=%s\n' % (name, value))
    with open(STATE + '/lab.json', encoding='utf-8') as f:
        info = json.load(f)
    info['ids'][name] = value
    with open(STATE + '/lab.json', 'w', encoding='utf-8') as f:
        json.dump(info, f, indent=1)


def octavia():
    o = OCTAVIA + '/v2/lbaas'
    for name, data in (('single', {'loadbalancer_topology': 'SINGLE'}),
                       ('ha', {'loadbalancer_topology': 'ACTIVE_STANDBY'})):
        prof = ensure(o, 'flavorprofile', name, {'provider_name': 'amphora',
                                                 'flavor_data': json.dumps(data)})
        flavor = ensure(o, 'flavor', name, {'flavor_profile_id': prof['id'], 'enabled': True,
                                            'description': name + ' topology'})
        add_id('FLAVOR_%s_ID' % name.upper(), flavor['id'])
    prof = ensure(o, 'availability_zone_profile', 'az1', {
        'provider_name': 'amphora', 'availability_zone_data': json.dumps({'compute_zone': 'az1'})},
        coll='availabilityzoneprofiles')
    ensure(o, 'availability_zone', 'az1', {'availability_zone_profile_id': prof['id'],
                                           'enabled': True},
           coll='availabilityzones')


if '--octavia' in sys.argv:
    octavia()
else:
    i = identity()
    nets = networks(i)
    nets['AC_ID'] = app_credential(i['user_exposer'])
    write(i, nets)
print('ok')
