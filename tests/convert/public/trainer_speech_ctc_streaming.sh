# huggingface/transformers: examples/pytorch/speech-recognition/README.md
torchrun \
	--nproc_per_node 4 run_speech_recognition_ctc_streaming.py \
	--dataset_name="mozilla-foundation/common_voice_17_0" \
	--model_name_or_path="facebook/wav2vec2-xls-r-300m" \
	--train_split_name="train+validation" \
	--max_steps="5000" \
	--per_device_train_batch_size="8" \
	--gradient_accumulation_steps="2" \
	--learning_rate="5e-4" \
	--warmup_steps="500" \
	--eval_metrics wer cer \
	--mask_time_prob="0.3" \
	--shuffle_buffer_size="500" \
	--fp16 \
	--do_train --do_eval \
	--gradient_checkpointing
