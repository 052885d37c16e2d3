// Package datapower is the source plugin for IBM DataPower gateways. It inspects, quiesces, exports and backs up appliances over
// their XML management interface. It reports a capture as a success only after it has verified every byte of it.
//
// # What an answer may mean
//
// The plugin concludes nothing from what a gateway does not say. The table shows what each read leads to, for every kind of answer:
//
//	read                        empty                        refused            an error, another or a garbled answer   lost or late
//	DomainStatus                error: every gateway has     failure, names     failure                                 failure, read
//	                            a domain                     the permission                                             again by the host
//	 a row of it                a domain without a row is    -                  a word that is not known: unknown,      -
//	                            not listed; a row without                       which is not back
//	                            QuiesceState is unknown
//	FirmwareVersion 3, 2, 1     firmware unread; the serial number comes from the settings                              as above
//	FilesystemStatus            space unread; a check warns that room was not checked                                   as above
//	SystemSettings              no backup mode: the next     settings unread; a secure backup is refused                as above
//	                            row decides
//	SecureBackupMode            mode unknown: allowed        a secure backup is refused, unless the class is unknown    as above
//	CryptoCertificate           no such certificate          certificates unread; a secure backup is refused            as above
//	ObjectStatus                certificates are down        certificates unread; a secure backup is refused            as above
//	 of a quiesce's domains     the domain is unread: its health is not proven                                          as above
//	GatewayPeering              no peer group                role unread: no quiesce, unless the class is unknown       as above
//	GatewayPeeringStatus        no part in a group           role unread: no quiesce                                    as above
//	StandbyStatus2              no standby group             role unread: no quiesce, unless the class is unknown       as above
//	APIConnectGatewayService    not of API Connect           unread: the domain is not quiesced, unless the class is    as above
//	                                                         unknown
//	do-view-certificate-details details unknown: with recovery_certificate a secure backup is refused, a preflight says not proven
//	User, UserGroup             rights unknown: a preflight says not proven                                             as above
//	any read of a preflight     as above                     an error that names    a warning, or the right is there    failure
//	                                                         the missing right
//	get-filestore               no file                      failure            failure                                 as above
//
// A class is unknown if the gateway answers for it as it does for a class that does not exist ([soma.Client.KnowsNot]); the words
// decide nothing. After an HTTP status of 500 or above the read is repeated once, at once. An action (quiesce, unquiesce, secure
// backup) counts as accepted only by OK. A refused removal of an empty directory is not a failure: its files are gone.
package datapower
