# huggingface/transformers: examples/pytorch/speech-recognition/README.md
torchrun \
	--nproc_per_node 8 run_speech_recognition_ctc.py \
	--dataset_name="mozilla-foundation/common_voice_17_0" \
	--model_name_or_path="facebook/wav2vec2-large-xlsr-53" \
	--dataset_config_name="tr" \
	--num_train_epochs="15" \
	--per_device_train_batch_size="4" \
	--learning_rate="3e-4" \
	--warmup_steps="500" \
	--eval_strategy="steps" \
	--save_steps="400" \
	--layerdrop="0.0" \
	--save_total_limit="3" \
	--freeze_feature_encoder \
	--chars_to_ignore , ? . ! - \; \: \" % \
	--fp16 \
	--group_by_length \
	--do_train --do_eval
