package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// The certificate of the demo's sample cluster.
const (
	demoTLSHost   = "checkout.example.com"
	demoTLSSecret = "shop/checkout-tls" //nolint:gosec // the name of a Secret
	demoTLSFile   = "checkout.crt"      // in the demo's folder, for curl
)

// sampleCertificate makes a certificate that signs itself: as a Secret in the
// folder of manifests, and, without its key, beside it.
func sampleCertificate(dir, manifests string) error {
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: demoTLSHost}, DNSNames: []string{demoTLSHost},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pair.Public(), pair)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	manifest := fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: checkout-tls, namespace: shop}\ndata:\n  tls.crt: %s\n  tls.key: %s\n",
		base64.StdEncoding.EncodeToString(cert), base64.StdEncoding.EncodeToString(key))
	return errors.Join(os.WriteFile(filepath.Join(dir, demoTLSFile), cert, 0o600),
		os.WriteFile(filepath.Join(manifests, "checkout-tls.yaml"), []byte(manifest), 0o600))
}
