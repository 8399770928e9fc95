package main

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"device-api-server/bench/go/device/v1alpha1"
)

func decodeList(reply []byte, gpus int) (*v1alpha1.GpuList, error) {
	var decoded v1alpha1.ListGpusResponse
	if err := proto.Unmarshal(reply, &decoded); err != nil {
		return nil, err
	}
	list := decoded.GetGpuList()
	if len(list.GetItems()) != gpus {
		return nil, fmt.Errorf("a list of %d GPUs, not %d", len(list.GetItems()), gpus)
	}
	for _, gpu := range list.Items {
		if err := checkGpu(gpu); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func checkGpu(gpu *v1alpha1.Gpu) error {
	conditions := gpu.GetStatus().GetConditions()
	if len(conditions) != len(conditionTypes)+1 || conditions[0].Type != ready {
		return fmt.Errorf("%s has not the conditions that it should have: %v", gpu.GetMetadata().GetName(), conditions)
	}
	verdict := "True"
	for _, condition := range conditions[1:] {
		if condition.Status != "True" {
			verdict = "False"
		}
	}
	if conditions[0].Status != verdict {
		return fmt.Errorf("%s is Ready=%s with %v", gpu.Metadata.Name, conditions[0].Status, conditions[1:])
	}
	if gpu.Metadata.ResourceVersion != strconv.FormatInt(gpu.ResourceVersion, 10) {
		return fmt.Errorf("%s has versions %s and %d", gpu.Metadata.Name, gpu.Metadata.ResourceVersion, gpu.ResourceVersion)
	}
	return nil
}

// versionOfEvent finds the one number that is needed of each event.
func versionOfEvent(event []byte) (int64, error) {
	version, found := varint(bytesOf(event, 2), 4)
	if !found || version == 0 {
		return 0, fmt.Errorf("an event without a version: %x", event)
	}
	return int64(version), nil
}

func bytesOf(message []byte, field protowire.Number) []byte {
	value, kind := find(message, field)
	if kind != protowire.BytesType {
		return nil
	}
	content, _ := protowire.ConsumeBytes(value)
	return content
}

func varint(message []byte, field protowire.Number) (uint64, bool) {
	value, kind := find(message, field)
	if kind != protowire.VarintType {
		return 0, false
	}
	number, _ := protowire.ConsumeVarint(value)
	return number, true
}

// find returns what follows the tag of the field, and -1 where there is none.
func find(message []byte, field protowire.Number) ([]byte, protowire.Type) {
	for len(message) > 0 {
		number, kind, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			break
		}
		length := protowire.ConsumeFieldValue(number, kind, message[tag:])
		if length < 0 {
			break
		}
		if number == field {
			return message[tag : tag+length], kind
		}
		message = message[tag+length:]
	}
	return nil, -1
}
