"""What the verify scripts share: sessions, calls, waiting, and one printed line per check."""
import json
import os
import time

import requests

MODE = os.environ.get('OSLAB_MODE', 'logical')
STATE = os.environ.get('OSLAB_STATE') or os.path.join(
    os.environ.get('DRAWBRIDGE_CACHE') or os.path.join(
        os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'drawbridge'),
    'openstack', os.environ.get('OSLAB_NAME') or MODE)
LAB = json.load(open(STATE + '/lab.json', encoding='utf-8'))
IDS = LAB['ids']
EP = LAB['endpoints']
LB = EP['load-balancer'] + '/v2/lbaas'
NET = EP['network'] + '/v2.0'
PFX = 'vfy-%d-' % os.getpid()
results = []


def auth(user, project):
    r = requests.post(LAB['auth_url'] + '/auth/tokens', timeout=60, json={'auth': {
        'identity': {'methods': ['password'], 'password': {'user': {
            'name': user, 'domain': {'name': 'Default'}, 'password': LAB['password']}}},
        'scope': {'project': {'name': project, 'domain': {'name': 'Default'}}}}})
    r.raise_for_status()
    s = requests.Session()
    s.headers['X-Auth-Token'] = r.headers['X-Subject-Token']
    return s


S = auth('exposer', 'k8s')
ADMIN = auth('admin', 'admin')


class Fail(Exception):
    pass


def req(m, url, body=None, want=(200, 201, 202, 204), s=None):
    r = (s or S).request(m, url, json=body, timeout=120)
    if want and r.status_code not in (want if isinstance(want, tuple) else (want,)):
        raise Fail('%s %s -> %s %s' % (m, url.replace(LB, ''), r.status_code, r.text[:300]))
    try:
        return r.json()
    except ValueError:
        return {}


def wait(kind, oid, want='ACTIVE', field='provisioning_status', timeout=60):
    t = time.time()
    seen = []
    while True:
        r = S.get('%s/%s/%s' % (LB, kind, oid), timeout=60)
        st = 'GONE' if r.status_code == 404 else r.json()[next(iter(r.json()))][field]
        if not seen or seen[-1] != st:
            seen.append(st)
        if st == want or (st == 'DELETED' and want == 'GONE'):
            return '>'.join(seen), time.time() - t
        if st == 'ERROR' and want != 'ERROR' and field == 'provisioning_status':
            raise Fail('ERROR instead of %s (%s)' % (want, '>'.join(seen)))
        if time.time() - t > timeout:
            raise Fail('%s after %.0f s instead of %s' % ('>'.join(seen), timeout, want))
        time.sleep(0.05)


def check(name, fn, *a):
    t = time.time()
    try:
        note = fn(*a)
        results.append(True)
        print('ok    %6.2f s  %-52s %s' % (time.time() - t, name, note or ''), flush=True)
    except Exception as e:
        results.append(False)
        print('FAIL  %6.2f s  %-52s %s' % (time.time() - t, name, str(e)[:600]), flush=True)


def mutate(method, path, body, lbid, want=(200, 201, 202, 204)):
    """A change below a load balancer, until it is ACTIVE again."""
    t = time.time()
    o = req(method, LB + path, body, want)
    api = time.time() - t
    seq, w = wait('loadbalancers', lbid)
    obj = o[next(iter(o))] if o else {}
    return obj, 'api %.2f s, LB %s in %.2f s' % (api, seq, api + w)


def mk_lb(name, **kw):
    body = {'name': PFX + name, 'vip_subnet_id': IDS['K8S_SUBNET_ID']}
    body.update(kw)
    return req('POST', LB + '/loadbalancers', {'loadbalancer': body})['loadbalancer']


def rm_lb(lbid, timeout=60):
    req('DELETE', LB + '/loadbalancers/%s?cascade=true' % lbid)
    return wait('loadbalancers', lbid, 'GONE', timeout=timeout)
