package config

import (
	"strings"
	"sync"
)

// Class is a class of objects that the gateway's model knows.
type Class struct {
	URI         string // as policies and access profiles name it
	DefaultOnly bool   // it exists in the default domain alone
}

// Serves reports whether the objects of the class take requests.
func (c Class) Serves() bool {
	return strings.HasPrefix(c.URI, "services/") || strings.HasPrefix(c.URI, "protocol/")
}

// Starts says what an enabled object of a class does by itself, as soon as it is there; empty: nothing.
func Starts(class string) string {
	uri := Classes()[class].URI
	for act, uris := range acts {
		for known := range strings.FieldsSeq(uris) {
			if uri == known || strings.HasSuffix(known, "/") && strings.HasPrefix(uri, known) && !consumes(uri) {
				return act
			}
		}
	}
	return ""
}

func consumes(uri string) bool { return strings.Contains(acts["takes messages"]+" ", " "+uri+" ") }

var acts = map[string]string{
	"takes messages": " protocol/mq protocol/idgmq protocol/mqfte protocol/idgmqmft protocol/kafka protocol/amqp protocol/tibems protocol/wasjms protocol/ims-callout" +
		" protocol/ftppoller protocol/nfspoller protocol/sftppoller protocol/pop-poller protocol/as1-poller",
	"opens a port": "protocol/ services/xmlfirewall services/xslproxy services/xslcoproc services/web-app-firewall services/web-token-service services/httpserv services/tcpproxy" +
		" services/sslforwarder services/multiprotocol-gateway services/ws-proxy services/apigateway services/cloud-gateway b2b/b2b-gateway isam/isam-reverseproxy mgmt/iop-mgmt",
	"connects": "network/mq-qm network/mq-qm-group network/idg-mq-qm network/idg-mq-qm-group network/kafka-cluster network/amqp network/tibems-server network/wasjms-server network/ims" +
		" network/sqlsource access/ldap-connection-pool network/nfs-static-mount network/nfs-dynamic-mounts",
	"joins": "services/gateway-peering config/gateway-peering-manager network/peer-group services/apic-gw-service",
	"takes configuration": "config/import-package config/include-config config/sequence config/gitops config/wsrr-server services/wsrr-subscription services/wsrr-savedsearchsubscription" +
		" services/uddi-subscription",
	"sends data": "logging/target config/analytics-endpoint mgmt/wsm-agent network/smtp-server-connection",
	"schedules":  "xml/xmlmgr crypto/crl crypto/cert-monitor config/wcc-service",
}

// Classes are the classes of the model, by name.
var Classes = sync.OnceValue(func() map[string]Class {
	out := map[string]Class{}
	fields := strings.Fields(everywhere)
	for i := 0; i < len(fields); i += 2 {
		out[fields[i]] = Class{URI: fields[i+1]}
	}
	fields = strings.Fields(inDefault)
	for i := 0; i < len(fields); i += 2 {
		out[fields[i]] = Class{URI: fields[i+1], DefaultOnly: true}
	}
	return out
})

const everywhere = `
AAAPolicy xml/aaapolicy
AMQPBroker network/amqp
AMQPSourceProtocolHandler protocol/amqp
APICollection config/api-collection
APIConnectGatewayService services/apic-gw-service
APIDefinition config/api-definition
APIGateway services/apigateway
APIOperation config/api-operation
APIPath config/api-path
APIPlan config/api-plan
APIRule config/api-rule
APISecurityTokenManager config/api-security-token-manager
AS1PollerSourceProtocolHandler protocol/as1-poller
AS2ProxySourceProtocolHandler protocol/as2-proxy
AS2SourceProtocolHandler protocol/as2
AS3SourceProtocolHandler protocol/as3
AccessControlList access/acl
AnalyticsEndpoint config/analytics-endpoint
Assembly assembly/assembly
B2BGateway b2b/b2b-gateway
CRLFetch crypto/crl
CertMonitor crypto/cert-monitor
CloudGatewayService services/cloud-gateway
CompileOptionsPolicy xml/compile-options
ConfigDeploymentPolicy config/deployment
ConfigSequence config/sequence
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
EBMS2SourceProtocolHandler protocol/ebms2
EBMS3SourceProtocolHandler protocol/ebms3
FTPFilePollerSourceProtocolHandler protocol/ftppoller
FTPServerSourceProtocolHandler protocol/ftp-server
FilterAction monitor/monitor-action
GWSRemoteDebug system/gatewayscript-remote-debug
GatewayPeering services/gateway-peering
GatewayPeeringManager config/gateway-peering-manager
GeneratedPolicy config/generated-policy
GitOps config/gitops
HTTPSSourceProtocolHandler protocol/https
HTTPService services/httpserv
HTTPSourceProtocolHandler protocol/http
HTTPUserAgent network/user-agent
ILMTScanner system/ilmt-scanner
IMSCalloutSourceProtocolHandler protocol/ims-callout
IMSConnect network/ims
IMSConnectSourceProtocolHandler protocol/imsconnect
ISAMReverseProxy isam/isam-reverseproxy
ISAMRuntime isam/isam-runtime
ImportPackage config/import-package
IncludeConfig config/include-config
InteropService mgmt/iop-mgmt
JSONSettings json/json-settings
KafkaCluster network/kafka-cluster
KafkaSourceProtocolHandler protocol/kafka
LDAPConnectionPool access/ldap-connection-pool
LDAPSearchParameters access/ldap-search-parameters
LoadBalancerGroup network/loadbalancer-group
LogLabel logging/category
LogTarget logging/target
MQFTESourceProtocolHandler protocol/mqfte
MQManager network/idg-mq-qm
MQManagerGroup network/idg-mq-qm-group
MQQM network/mq-qm
MQQMGroup network/mq-qm-group
MQSourceProtocolHandler protocol/mq
MQv9PlusMFTSourceProtocolHandler protocol/idgmqmft
MQv9PlusSourceProtocolHandler protocol/idgmq
Matching xml/matching
MessageContentFilters policy/mcfilters
MessageMatching monitor/message-matching
MessageType monitor/message-type
MultiProtocolGateway services/multiprotocol-gateway
NFSDynamicMounts network/nfs-dynamic-mounts
NFSFilePollerSourceProtocolHandler protocol/nfspoller
NFSStaticMount network/nfs-static-mount
OAuthProviderSettings config/oauth-provider
POPPollerSourceProtocolHandler protocol/pop-poller
PasswordAlias config/password-alias
PasswordMap config/password-map
PeerGroup network/peer-group
PolicyAttachments policy/policy-attachments
RateLimitConfiguration config/rate-limit-config
RateLimitDefinition config/rate-limit-definition
SFTPFilePollerSourceProtocolHandler protocol/sftppoller
SLMAction monitor/slm-action
SLMPolicy monitor/slm-policy
SMTPServerConnection network/smtp-server-connection
SQLDataSource network/sqlsource
SSHClientProfile crypto/sshclientprofile
SSHServerProfile crypto/sshserverprofile
SSHServerSourceProtocolHandler protocol/ssh-server
SSLClientProfile crypto/ssl-client
SSLProxyProfile crypto/sslproxy
SSLProxyService services/sslforwarder
SSLSNIServerProfile crypto/ssl-sni-server
SSLServerProfile crypto/ssl-server
SecureGatewayClient cloud/sgclient
SimpleCountMonitor webapp/rate-limiter
StatelessTCPSourceProtocolHandler protocol/tcp
StylePolicy xml/stylepolicy
StylePolicyAction xml/action
StylePolicyRule xml/rule
TAM access/tam
TCPProxyService services/tcpproxy
TibcoEMSServer network/tibems-server
TibcoEMSSourceProtocolHandler protocol/tibems
UDDISubscription services/uddi-subscription
URLMap xml/urlmap
URLRefreshPolicy xml/urlrefresh
URLRewritePolicy xml/urlrewrite
WCCService config/wcc-service
WSEndpointRewritePolicy wsm/wsm-endpointrewrite
WSGateway services/ws-proxy
WSRRSavedSearchSubscription services/wsrr-savedsearchsubscription
WSRRServer config/wsrr-server
WSRRSubscription services/wsrr-subscription
WSStylePolicy wsm/wsm-stylepolicy
WSStylePolicyRule wsm/wsm-rule
WXSGrid network/wxs-grid
WebAppFW services/web-app-firewall
WebB2BViewer b2b/b2b-viewer-mgmt
WebServicesAgent mgmt/wsm-agent
WebSphereJMSServer network/wasjms-server
WebSphereJMSSourceProtocolHandler protocol/wasjms
WebTokenService services/web-token-service
XMLFirewallService services/xmlfirewall
XMLManager xml/xmlmgr
XPathRoutingMap xml/xpath-routing
XSLCoprocService services/xslcoproc
XSLProxyService services/xslproxy
XTCProtocolHandler protocol/xtc
ZHybridTargetControlService zos/sdtargetcontrolservice
ZosNSSClient zos/nss
`

const inDefault = `
AuditLog logging/audit-log
B2BPersistence system/b2b-persistence
CompactFlash system/compactflash
DNSNameService network/dns
Domain config/domain
ErrorReportSettings system/failure-notification
EthernetInterface network/interface
HostAlias network/host-alias
IPMILanChannel mgmt/ipmi-lan-channel
IPMIUser mgmt/ipmi-user
Language system/language
LinkAggregation network/link-aggregation
Luna networkhsm/luna
MgmtInterface mgmt/xml-mgmt
NTPService network/ntp-service
NetworkSettings network/network
ODR network/odr-group
ODRConnectorGroup network/odr-connector-group
QuotaEnforcementServer system/quota-enforcement-server
RBMSettings access/rbm
RaidVolume system/raid-disk-volume
RestMgmtInterface mgmt/rest-mgmt
SNMPSettings access/snmp
SSHService mgmt/ssh
StandaloneStandbyControl network/standalone-standby-control
SystemSettings system/system
TelnetService mgmt/telnet
Tenant system/tenant
Throttler system/throttle
TimeSettings system/timezone
User access/username
UserGroup access/usergroup
VLANInterface network/vlan
WebGUI mgmt/web-mgmt
`
