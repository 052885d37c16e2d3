package datapower

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/dprun/dprun/plugins/datapower/archive"
	"github.com/dprun/dprun/sdk/failure"
)

// started says what a drill does about objects of a class that start something on their own.
type started struct {
	uri string // the class in a deployment policy; empty: not known, so no policy can be made for it
	out bool   // true: it is left out; false: it is disabled
}

// starting are the classes whose objects listen, poll, consume, connect out, schedule, join a group, or send data
// away. Classes that take configuration from elsewhere or join others are left out, because disabling them might
// come too late. So are TCP proxies, which an import always enables. Classes and names come from the gateway's
// own model.
var starting = func() map[string]started {
	out := map[string]started{}
	for text, leftOut := range map[string]bool{disabledInDrill: false, leftOutOfDrill: true} {
		for line := range strings.Lines(text) {
			if class, uri, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				out[class] = started{strings.TrimPrefix(uri, "-"), leftOut}
			}
		}
	}
	return out
}()

// A dash means that the name is not known.
const disabledInDrill = `
AMQPBroker network/amqp
AMQPSourceProtocolHandler protocol/amqp
APIGateway services/apigateway
AS1PollerSourceProtocolHandler protocol/as1-poller
AS2ProxySourceProtocolHandler protocol/as2-proxy
AS2SourceProtocolHandler protocol/as2
AS3SourceProtocolHandler protocol/as3
AnalyticsEndpoint config/analytics-endpoint
B2BGateway b2b/b2b-gateway
CRLFetch crypto/crl
CertMonitor crypto/cert-monitor
CloudConnectorService -
CloudGatewayService services/cloud-gateway
EBMS2SourceProtocolHandler protocol/ebms2
EBMS3SourceProtocolHandler protocol/ebms3
FTPFilePollerSourceProtocolHandler protocol/ftppoller
FTPServerSourceProtocolHandler protocol/ftp-server
GWSRemoteDebug system/gatewayscript-remote-debug
HTTPSSourceProtocolHandler protocol/https
HTTPService services/httpserv
HTTPSourceProtocolHandler protocol/http
ILMTAgent -
ILMTScanner system/ilmt-scanner
IMSCalloutSourceProtocolHandler protocol/ims-callout
IMSConnect network/ims
IMSConnectSourceProtocolHandler protocol/imsconnect
ISAMReverseProxy isam/isam-reverseproxy
ISAMRuntime isam/isam-runtime
InteropService mgmt/iop-mgmt
KafkaCluster network/kafka-cluster
KafkaSourceProtocolHandler protocol/kafka
LDAPConnectionPool access/ldap-connection-pool
LogTarget logging/target
MQFTESourceProtocolHandler protocol/mqfte
MQManager network/idg-mq-qm
MQManagerGroup network/idg-mq-qm-group
MQQM network/mq-qm
MQQMGroup network/mq-qm-group
MQSourceProtocolHandler protocol/mq
MQv9PlusMFTSourceProtocolHandler protocol/idgmqmft
MQv9PlusSourceProtocolHandler protocol/idgmq
MultiProtocolGateway services/multiprotocol-gateway
NFSDynamicMounts network/nfs-dynamic-mounts
NFSFilePollerSourceProtocolHandler protocol/nfspoller
NFSStaticMount network/nfs-static-mount
OpenTelemetry -
OpenTelemetryExporter -
POPPollerSourceProtocolHandler protocol/pop-poller
SFTPFilePollerSourceProtocolHandler protocol/sftppoller
SMTPServerConnection network/smtp-server-connection
SQLDataSource network/sqlsource
SSHServerSourceProtocolHandler protocol/ssh-server
SSLProxyService services/sslforwarder
StatelessTCPSourceProtocolHandler protocol/tcp
TAM access/tam
TibcoEMSServer network/tibems-server
TibcoEMSSourceProtocolHandler protocol/tibems
WCCService config/wcc-service
WSGateway services/ws-proxy
WXSGrid network/wxs-grid
WebAppFW services/web-app-firewall
WebB2BViewer b2b/b2b-viewer-mgmt
WebServicesAgent mgmt/wsm-agent
WebSphereJMSServer network/wasjms-server
WebSphereJMSSourceProtocolHandler protocol/wasjms
WebTokenService services/web-token-service
XMLFirewallService services/xmlfirewall
XMLManager xml/xmlmgr
XSLCoprocService services/xslcoproc
XSLProxyService services/xslproxy
XTCProtocolHandler protocol/xtc
ZHybridTargetControlService zos/sdtargetcontrolservice
ZosNSSClient zos/nss
`

const leftOutOfDrill = `
APIConnectGatewayService services/apic-gw-service
ConfigSequence config/sequence
Domain -
GatewayPeering services/gateway-peering
GatewayPeeringGroup -
GatewayPeeringManager config/gateway-peering-manager
GitOps config/gitops
ImportPackage config/import-package
IncludeConfig config/include-config
PeerGroup network/peer-group
ProductInsights -
SecureCloudConnector -
SecureGatewayClient cloud/sgclient
TCPProxyService services/tcpproxy
UDDISubscription services/uddi-subscription
WSRRSavedSearchSubscription services/wsrr-savedsearchsubscription
WSRRServer config/wsrr-server
WSRRSubscription services/wsrr-subscription
`

// startNothing are the other classes of domains in the gateway's own model.
const startNothing = `
AAAPolicy xml/aaapolicy
APICollection config/api-collection
APIDefinition config/api-definition
APIOperation config/api-operation
APIPath config/api-path
APIPlan config/api-plan
APIRule config/api-rule
APISecurityTokenManager config/api-security-token-manager
AccessControlList access/acl
Assembly assembly/assembly
CompileOptionsPolicy xml/compile-options
ConfigDeploymentPolicy config/deployment
ConformancePolicy xml/conformancepolicy
CountMonitor monitor/monitor-count
CryptoCertificate crypto/cert
CryptoIdentCred crypto/idcred
CryptoKey crypto/key
CryptoProfile crypto/profile
CryptoValCred crypto/valcred
DeploymentPolicyParametersBinding config/deployment-policy-variables
DocumentCryptoMap xml/document-crypto-map
DomainSettings config/domain-settings
DurationMonitor monitor/monitor-duration
FilterAction monitor/monitor-action
GeneratedPolicy config/generated-policy
HTTPUserAgent network/user-agent
JSONSettings json/json-settings
LDAPSearchParameters access/ldap-search-parameters
LoadBalancerGroup network/loadbalancer-group
LogLabel logging/category
Matching xml/matching
MessageContentFilters policy/mcfilters
MessageMatching monitor/message-matching
MessageType monitor/message-type
OAuthProviderSettings config/oauth-provider
PasswordAlias config/password-alias
PasswordMap config/password-map
PolicyAttachments policy/policy-attachments
RateLimitConfiguration config/rate-limit-config
RateLimitDefinition config/rate-limit-definition
SLMAction monitor/slm-action
SLMPolicy monitor/slm-policy
SSHClientProfile crypto/sshclientprofile
SSHServerProfile crypto/sshserverprofile
SSLClientProfile crypto/ssl-client
SSLProxyProfile crypto/sslproxy
SSLSNIServerProfile crypto/ssl-sni-server
SSLServerProfile crypto/ssl-server
SimpleCountMonitor webapp/rate-limiter
StylePolicy xml/stylepolicy
StylePolicyAction xml/action
StylePolicyRule xml/rule
URLMap xml/urlmap
URLRefreshPolicy xml/urlrefresh
URLRewritePolicy xml/urlrewrite
WSEndpointRewritePolicy wsm/wsm-endpointrewrite
WSStylePolicy wsm/wsm-stylepolicy
WSStylePolicyRule wsm/wsm-rule
XPathRoutingMap xml/xpath-routing
`

// uris are the names of classes in a deployment policy. A class without one is not known.
var uris = func() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(startNothing) {
		if class, uri, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out[class] = uri
		}
	}
	for class, s := range starting {
		out[class] = s.uri
	}
	return out
}()

// policy is the deployment policy of an import.
type policy struct {
	statements
	variables map[string]string
	drill     bool // it is the drill's own policy
}

// drillPolicy disables or leaves out everything that starts something on its own. Nobody knows what objects of an
// unknown class start, so each of them is disabled by its name.
func drillPolicy(objects []archive.Object) policy {
	p := policy{drill: true}
	for _, class := range slices.Sorted(maps.Keys(starting)) {
		switch s := starting[class]; {
		case s.uri == "":
		case s.out:
			p.Filtered = append(p.Filtered, "*/*/"+s.uri+"?Name=.*")
		default:
			p.disable(s.uri, ".*")
		}
	}
	for _, o := range objects {
		if !known(o.Class) && o.AdminState == "enabled" && nameable.MatchString(o.Name) {
			p.disable("*", regexp.QuoteMeta(o.Name))
		}
	}
	return p
}

// disable adds a statement. Of several statements for one property the gateway uses the first
// that matches.
func (s *statements) disable(resource, name string) {
	s.Modified = append(s.Modified, modification{Match: "*/*/" + resource + "?Name=" + name + "&Property=mAdminState&Value=enabled", Type: "change", Value: "disabled"})
}

// known reports whether dprun knows what objects of a class start.
func known(class string) bool {
	_, ok := uris[class]
	return ok
}

// nameable matches the names that a matching statement can hold.
var nameable = regexp.MustCompile(`^[^&=?]+$`)

// beyond says why an object of an archive cannot be kept from starting in a drill; empty: it can.
func (p *policy) beyond(o archive.Object) string {
	s, starts := starting[o.Class]
	switch {
	case !p.drill || !starts && !serving(o.Class):
		return ""
	case !starts && (o.AdminState != "disabled" && o.AdminState != "enabled" || !nameable.MatchString(o.Name)):
		return "dprun does not know its class, so no policy can keep it from starting"
	case !starts:
		return ""
	case s.uri == "":
		return "dprun knows no policy that could keep it from starting"
	case !s.out && o.AdminState == "":
		return "the archive does not say whether it is enabled, so a policy cannot disable it"
	}
	return ""
}

// statements is the content of a deployment policy.
type statements struct {
	Accepted, Filtered []string
	Modified           []modification
}

type modification struct{ Match, Type, Property, Value string }

// String returns the policy in the gateway's form, whose parts have a fixed
// order.
func (p *statements) String() string {
	var b strings.Builder
	element := func(name, value string) {
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(&b, []byte(value)) // a strings.Builder does not fail
		b.WriteString("</" + name + ">")
	}
	for _, s := range p.Accepted {
		element("AcceptedConfig", s)
	}
	for _, s := range p.Filtered {
		element("FilteredConfig", s)
	}
	for _, m := range p.Modified {
		b.WriteString("<ModifiedConfig>")
		element("Match", m.Match)
		element("Type", m.Type)
		element("Property", m.Property)
		element("Value", m.Value)
		b.WriteString("</ModifiedConfig>")
	}
	return b.String()
}

const maxPolicy = 1 << 20 // bytes of a policy file

// policyOf returns the policy of a request; the statements of a drill come later. It refuses a policy that cannot
// be right, because the gateway silently ignores a statement that matches nothing.
func (s *source) policyOf(file string, variables map[string]string, disabled bool, what string) (policy, error) {
	wrong := func(err error) (policy, error) {
		return policy{}, failure.New(failure.Precondition, failure.BadConfig, "%s: %s: the deployment policy cannot be used: %w", s.name, what, err).
			WithRemedy("give a file with AcceptedConfig, FilteredConfig and ModifiedConfig elements, as a ConfigDeploymentPolicy holds them")
	}
	switch {
	case disabled && file != "":
		return wrong(errors.New("a drill has its own"))
	case disabled:
		return policy{drill: true}, nil // its statements depend on the archive
	case file == "" && len(variables) > 0:
		return wrong(errors.New("there are variables, but no policy"))
	case file == "":
		return policy{}, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return policy{}, s.staging(err, what+": read the deployment policy")
	}
	defer f.Close() //nolint:errcheck // it is read only
	text, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err != nil {
		return policy{}, s.staging(err, what+": read the deployment policy")
	}
	p, err := parsePolicy(text)
	if err == nil {
		err = p.bind(variables)
	}
	if err != nil {
		return wrong(err)
	}
	return policy{statements: *p, variables: variables}, nil
}

// parsePolicy reads the statements of a policy, with or without the enclosing element of the
// policy.
func parsePolicy(text []byte) (*statements, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("it has more than %d bytes", maxPolicy)
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	p, wrapped, depth := &statements{}, false, 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is not well-formed: %w", err)
		}
		switch t := token.(type) {
		case xml.EndElement:
			depth--
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("text %.40q is in a place where only elements are allowed", archive.Printable(string(t)))
			}
		case xml.StartElement:
			if name := t.Name.Local; depth == 0 && !wrapped && (name == "ConfigDeploymentPolicy" || name == "deployment-policy") {
				wrapped, depth = true, 1
				continue
			}
			if err := p.statement(d, t); err != nil {
				return nil, err
			}
		}
	}
	if len(p.Accepted)+len(p.Filtered)+len(p.Modified) == 0 {
		return nil, errors.New("it holds no statement")
	}
	return p, nil
}

// statement reads one element of a policy.
func (p *statements) statement(d *xml.Decoder, t xml.StartElement) error {
	var one struct {
		Text                         string `xml:",chardata"`
		Match, Type, Property, Value string
		Other                        []struct{ XMLName xml.Name } `xml:",any"`
	}
	name := t.Name.Local
	if err := d.DecodeElement(&one, &t); err != nil {
		return fmt.Errorf("its %s is not well-formed: %w", archive.Printable(name), err)
	}
	if len(one.Other) > 0 {
		return fmt.Errorf("its %s holds an element %s, which does not belong there", archive.Printable(name), archive.Printable(one.Other[0].XMLName.Local))
	}
	match := strings.TrimSpace(one.Text)
	switch name {
	case "mAdminState", "UserSummary": // they say nothing about the imported objects
		if match == "disabled" && name == "mAdminState" {
			return errors.New("it is disabled")
		}
		return nil
	case "AcceptedConfig":
		p.Accepted = append(p.Accepted, match)
	case "FilteredConfig":
		p.Filtered = append(p.Filtered, match)
	case "ModifiedConfig":
		m := modification{Match: strings.TrimSpace(one.Match), Type: strings.TrimSpace(one.Type), Property: strings.TrimSpace(one.Property), Value: one.Value}
		if err := m.check(); err != nil {
			return err
		}
		match = m.Match
		p.Modified = append(p.Modified, m)
	default:
		return fmt.Errorf("it holds an element %s, which does not belong there", archive.Printable(name))
	}
	if !matchingStatement.MatchString(match) {
		return fmt.Errorf("the matching statement %q is not of the form address/domain/resource?Name=…&Property=…&Value=…", archive.Printable(match))
	}
	return nil
}

// matchingStatement is the form of a matching statement in the gateway's own model.
var matchingStatement = regexp.MustCompile(`^[-_a-zA-Z0-9:.*]+/[-_a-zA-Z0-9.*]+/[-a-z0-9/*]+(\?(Name|Property|Value)=[^&]+(&(Name|Property|Value)=[^&]+)*)?$`)

// check refuses a modification that the gateway would not understand.
func (m modification) check() error {
	property := strings.Contains(m.Match, "Property=")
	switch {
	case m.Type != "add" && m.Type != "change" && m.Type != "delete":
		return fmt.Errorf("a ModifiedConfig has the type %q; the types are add, change and delete", archive.Printable(m.Type))
	case m.Type == "add" && m.Property == "":
		return errors.New("a ModifiedConfig of type add names no property")
	case m.Type != "add" && !property:
		return fmt.Errorf("a ModifiedConfig of type %s names no property in its match", m.Type)
	case m.Type != "add" && m.Property != "":
		return fmt.Errorf("a ModifiedConfig of type %s names the property outside of its match", m.Type)
	}
	return nil
}

var policyVariable = regexp.MustCompile(`\$\{([^}]*)\}`)

// bind checks that every variable has a value, and that every value belongs to
// a variable.
func (p *statements) bind(variables map[string]string) error {
	used := map[string]bool{}
	for _, m := range p.Modified {
		for _, v := range policyVariable.FindAllStringSubmatch(m.Value, -1) {
			if _, given := variables[v[1]]; !given {
				return fmt.Errorf("its variable %s has no value", archive.Printable(v[1]))
			}
			used[v[1]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if !used[name] {
			return fmt.Errorf("it does not use the variable %s", archive.Printable(name))
		}
	}
	return nil
}

// DrillClasses returns the classes whose objects a drill keeps from starting something: those that it disables,
// those that it leaves out, and those for which no policy can be made. An archive with an object of the last kind
// is not drilled.
func DrillClasses() (disabled, leftOut, refused []string) {
	for _, class := range slices.Sorted(maps.Keys(starting)) {
		switch s := starting[class]; {
		case s.uri == "":
			refused = append(refused, class)
		case s.out:
			leftOut = append(leftOut, class)
		default:
			disabled = append(disabled, class)
		}
	}
	return disabled, leftOut, refused
}
