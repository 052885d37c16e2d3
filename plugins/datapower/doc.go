// Package datapower is the source plugin for IBM DataPower gateways: it inspects, quiesces, exports and backs up appliances over
// their XML management interface, and says of no capture that it succeeded before every byte of it was verified.
package datapower
